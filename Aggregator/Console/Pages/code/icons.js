// The places' marks, drawn here: lines on a grid of 24.

import { s } from "./dom.js";

const lines = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  incidents: "M12 4 2.5 20h19zM12 10v4.5M12 17.2v.1",
  explore: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.3 20.5 20.5M7.5 11.5l2-2 2 2 2-3",
  map: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
  sensors: "M12 13.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3zM8 16a5.6 5.6 0 0 1 0-8M16 8a5.6 5.6 0 0 1 0 8"
    + "M5 19a10 10 0 0 1 0-14"
    + "M19 5a10 10 0 0 1 0 14",
  rules: "M4 5h16l-6.5 7.5V19l-3 1.5v-8z",
  intelligence: "M12 20.5c5-2 7.5-5 7.5-9.5V5.5L12 3 4.5 5.5V11c0 4.5 2.5 7.5 7.5 9.5zM8.5 11.5l2.5 2.5 4.5-5",
  reports: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
  administration: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.5"
    + "M17.5 14.3c2.5.7 4 2.7 4 5.7",
  account: "M12 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-5 4-7 8-7s8 2 8 7",
};
export const icon = (name) => s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
  s("path", { d: lines[name] || "" }));
