// What the theme leaves undone for readers with a screen reader, and for paper.  It fetches nothing.
"use strict";

(() => {
  // The arrows that open a chapter's sections in the menu have no name of their own.
  const nameArrows = () => {
    for (const summary of document.querySelectorAll(".bd-sidebar-primary li > details > summary")) {
      const chapter = summary.closest("li").querySelector("a");
      summary.setAttribute("aria-label", `Sections of ${chapter.textContent.trim()}`);
    }
  };

  // Paper shows what the screen folds away; afterwards the screen is as it was.
  let unfolded = [];
  const unfold = () => {
    unfolded = [...document.querySelectorAll("article details:not([open])")];
    unfolded.forEach((each) => { each.open = true; });
  };
  const fold = () => {
    unfolded.forEach((each) => { each.open = false; });
    unfolded = [];
  };

  nameArrows();
  window.addEventListener("beforeprint", unfold);
  window.addEventListener("afterprint", fold);
})();
