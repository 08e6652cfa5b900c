// A release that is watched: load its page again every so often, unless somebody is writing or has opened a form.
const seconds = Number(document.querySelector("[data-refresh]").dataset.refresh);
setInterval(() => {
  const busy = document.querySelector("details.ck-act[open]") || document.activeElement.matches("input, textarea, select");
  if (!busy && !document.hidden) location.reload();
}, 1000 * seconds);
