// The page is whole without this: it only brings the marked step into view, and shows a step's details beside the pointer's way.
(function () {
  "use strict";
  var details = document.getElementById("details");
  var marked = document.getElementById("marked");

  function toMarked() {
    if (location.hash || !marked) return;
    var box = marked.getBoundingClientRect();
    var bar = document.querySelector("nav").getBoundingClientRect().height;
    if (box.top < bar || box.bottom > innerHeight || box.left < 0 || box.right > innerWidth) {
      marked.scrollIntoView({ block: box.height < innerHeight - bar ? "center" : "start", inline: "nearest" });
    }
  }

  function light(step, on) {
    document.querySelectorAll(".arrow").forEach(function (arrow) {
      arrow.classList.toggle("lit", on && arrow.dataset.steps.split(" ").indexOf(step) >= 0);
    });
  }

  function show(event) {
    var step = event.currentTarget.dataset.step;
    var row = document.getElementById("row-" + step);
    details.replaceChildren();
    Array.prototype.forEach.call(row.cells, function (cell) {
      var line = document.createElement("p");
      line.textContent = cell.dataset.label ? cell.dataset.label + " " + cell.textContent.trim() : cell.textContent.trim();
      line.className = cell.className;
      if (line.textContent) details.appendChild(line);
    });
    details.hidden = false;
    light(step, true);
  }

  function hide(event) {
    details.hidden = true;
    light(event.currentTarget.dataset.step, false);
  }

  document.querySelectorAll("a.step").forEach(function (step) {
    step.addEventListener("mouseenter", show);
    step.addEventListener("mouseleave", hide);
    step.addEventListener("focus", function (event) { if (step.matches(":focus-visible")) show(event); });
    step.addEventListener("blur", hide);
  });
  addEventListener("load", toMarked);
})();
