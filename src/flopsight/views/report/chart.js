// Memory over the run: a line through the most bytes in each of some equal stretches.

const EDGE = { top: 26, right: 12, bottom: 24, left: 64 };

function drawChart(chart) {
  const figure = byId("memory-figure");
  figure.hidden = false;
  const render = () => {
    const { width, height } = byId("memory-chart").getBoundingClientRect();
    byId("memory-chart").setAttribute("viewBox", `0 0 ${width} ${height}`);
    byId("memory-chart").replaceChildren();
    plot(d3.select("#memory-chart"), chart, width, height);
  };
  render();
  new ResizeObserver(render).observe(figure);
}

function plot(svg, chart, width, height) {
  const [peak, call, said] = chart.peak;
  const points = chart.points.split(" ").map(Number);
  const last = chart.calls - 1;
  const right = width - EDGE.right;
  const x = d3.scaleLinear([0, last || 1], [EDGE.left, right]);
  const y = d3.scaleLinear([0, peak || 1], [height - EDGE.bottom, EDGE.top]);
  const across = (index) => x((index * last) / (points.length - 1 || 1));
  const line = (kind, x1, y1, x2, y2) => {
    svg.append("line").attr("class", kind).attr("x1", x1).attr("y1", y1).attr("x2", x2).attr("y2", y2);
  };
  const words = (text, left, top, anchor = "start", kind = null) => {
    svg.append("text").attr("class", kind).attr("x", left).attr("y", top).attr("text-anchor", anchor).text(text);
  };

  for (const [mark, text] of chart.marks) {
    line("grid", EDGE.left, y(mark), right, y(mark));
    words(text, EDGE.left - 8, y(mark) + 4, "end");
  }
  svg.append("path").attr("class", "area").attr("d", d3.area((_, index) => across(index), y(0), y)(points));
  svg.append("path").attr("class", "line").attr("d", d3.line((_, index) => across(index), y)(points));
  chart.phases.forEach(([phase, first], place) => {
    const room = x(chart.phases[place + 1]?.[1] ?? last) - x(first);
    if (place && room > 3) line("edge", x(first), EDGE.top, x(first), y(0));
    if (room > 8 * phase.length) words(phase, x(first) + 6, y(0) - 6);
  });
  words(`call ${chart.ends[0]}`, EDGE.left, height - 6);
  words(chart.ends[1], right, height - 6, "end");

  // The peak is within a call, and may stand above what lives after it.
  const after = points[Math.round((call * (points.length - 1)) / (last || 1))];
  line("line", x(call), y(after), x(call), y(peak));
  svg.append("circle").attr("class", "peak").attr("cx", x(call)).attr("cy", y(peak)).attr("r", 5);
  const isLate = x(call) > right - 150;
  words(said, x(call) + (isLate ? -10 : 10), y(peak) - 8, isLate ? "end" : "start", "said");
}
