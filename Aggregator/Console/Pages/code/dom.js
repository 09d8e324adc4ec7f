// The only way to the DOM. Text from traffic and from people becomes text nodes and attribute values, never markup:
// no other module makes elements, and none sets markup (a test looks for it, Trusted Types refuse it).

const svgNamespace = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (`onclick`), custom properties (`vars`) and children. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}
/** The same for parts of drawings. */
export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(svgNamespace, name), attributes, children);
}
/** Puts other children in the place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === "href") element.setAttribute(name, safeAddress(value));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}
function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
/** Links stay here: a place of the console, or an answer of the API. */
function safeAddress(address) {
  const text = String(address);
  return text.startsWith("#") || text.startsWith("/v1/") || text === "/openapi.json" ? text : "#";
}
