// Before anything is drawn, so that nothing flashes: the theme that was chosen here, or the system's.
(() => {
  let kept = null;
  try { kept = localStorage.getItem("weir.theme"); } catch { /* private mode: the system's */ }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
