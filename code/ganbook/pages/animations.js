// Plays the figures that ganbook.animations writes: a dot runs along every path and draws its trace behind it.
// It fetches nothing, starts nothing by itself, and leaves the figure whole: that is the still image.
(function () {
  "use strict";

  const LONGEST_FRAME = 0.1; // seconds: after a pause of the browser the dots go on, they do not jump

  function words(path) {
    return path.getAttribute("points").split(" ");
  }

  // A path with a trace and a dot of its own, both copies of what the still image shows.
  function track(path) {
    const group = path.parentNode;
    const trace = path.cloneNode(false);
    const dot = group.querySelector(".ganbook-end").cloneNode(false);
    trace.setAttribute("class", "ganbook-trace");
    dot.setAttribute("class", "ganbook-dot");
    group.append(trace, dot);
    return { trace, dot, words: words(path), points: words(path).map((word) => word.split(",").map(Number)) };
  }

  function moveTo(each, time) {
    const k = Math.floor(time);
    const [x, y] = each.points[k];
    const [nextX, nextY] = each.points[Math.min(k + 1, each.points.length - 1)];
    const [dotX, dotY] = [x + (time - k) * (nextX - x), y + (time - k) * (nextY - y)];
    each.dot.setAttribute("cx", dotX.toFixed(2));
    each.dot.setAttribute("cy", dotY.toFixed(2));
    each.trace.setAttribute("points", each.words.slice(0, k + 1).concat(each.dot.getAttribute("cx") + "," +
      each.dot.getAttribute("cy")).join(" "));
  }

  function prepare(figure) {
    const tracks = Array.from(figure.querySelectorAll(".ganbook-path"), track);
    const button = figure.querySelector("button");
    const slider = figure.querySelector("input");
    const counter = figure.querySelector("output");
    const last = Number(slider.max);
    const steps = Number(figure.dataset.steps);
    const seconds = Number(figure.dataset.seconds);
    let time = last; // counted in points of the paths
    let before = null; // when the last frame was drawn; null while nothing plays

    function show() {
      const k = Math.floor(time);
      const step = Math.round(k * steps / last);
      tracks.forEach((each) => moveTo(each, time));
      figure.classList.toggle("ganbook-moving", time < last);
      slider.value = k;
      slider.setAttribute("aria-valuetext", figure.dataset.clock + " " + step + " of " + steps);
      counter.textContent = slider.getAttribute("aria-valuetext");
    }

    function stop() {
      before = null;
      button.textContent = "Play";
    }

    function frame(now) {
      if (before === null || !figure.isConnected) {
        return;
      }
      // A frame's clock may stand a little before the moment of the click: then nothing moves yet.
      const passed = Math.max(0, Math.min((now - before) / 1000, LONGEST_FRAME));
      time = Math.min(last, time + passed * last / seconds);
      before = now;
      show();
      if (time < last) {
        requestAnimationFrame(frame);
      } else {
        stop();
      }
    }

    button.addEventListener("click", function () {
      if (before !== null) {
        stop();
        return;
      }
      time = time < last ? time : 0;
      before = performance.now();
      button.textContent = "Pause";
      show();
      requestAnimationFrame(frame);
    });
    slider.addEventListener("input", function () {
      stop();
      time = Number(slider.value);
      show();
    });
    figure.dataset.ready = "yes";
    figure.querySelector(".ganbook-controls").hidden = false;
    show();
  }

  document.querySelectorAll("figure.ganbook-animation:not([data-ready])").forEach(prepare);
})();
