// Memory over the run: a line through the most bytes in each of some equal stretches.

function drawChart(chart) {
  const figure = byId("memory-figure");
  figure.hidden = false;
  const svg = d3.select("#memory-chart");
  const render = () => {
    const box = svg.node().getBoundingClientRect();
    const edge = { top: 26, right: 12, bottom: 24, left: 64 };
    const [peak, call, said] = chart.peak;
    const points = chart.points.split(" ").map(Number);
    const x = d3.scaleLinear([0, chart.calls - 1 || 1], [edge.left, box.width - edge.right]);
    const y = d3.scaleLinear([0, peak || 1], [box.height - edge.bottom, edge.top]);
    const at = (index) => x((index * (chart.calls - 1)) / (points.length - 1 || 1));
    svg.attr("viewBox", `0 0 ${box.width} ${box.height}`).selectAll("*").remove();
    for (const [mark, text] of chart.marks) {
      svg.append("line").attr("class", "grid").attr("x1", edge.left).attr("x2", box.width - edge.right).attr("y1", y(mark)).attr("y2", y(mark));
      svg.append("text").attr("x", edge.left - 8).attr("y", y(mark) + 4).attr("text-anchor", "end").text(text);
    }
    svg.append("path").attr("class", "area").attr("d", d3.area((_, index) => at(index), y(0), (value) => y(value))(points));
    svg.append("path").attr("class", "line").attr("d", d3.line((_, index) => at(index), (value) => y(value))(points));
    chart.phases.forEach(([phase, first], place) => {
      const room = x(chart.phases[place + 1]?.[1] ?? chart.calls - 1) - x(first);
      if (place && room > 3) svg.append("line").attr("class", "edge").attr("x1", x(first)).attr("x2", x(first)).attr("y1", edge.top).attr("y2", y(0));
      if (room > 8 * phase.length) svg.append("text").attr("x", x(first) + 6).attr("y", box.height - 6 - edge.bottom).text(phase);
    });
    svg.append("text").attr("x", edge.left).attr("y", box.height - 6).text(`call ${chart.ends[0]}`);
    svg.append("text").attr("x", box.width - edge.right).attr("y", box.height - 6).attr("text-anchor", "end").text(chart.ends[1]);
    const right = x(call) > box.width - 150;
    const under = points[Math.round((call * (points.length - 1)) / (chart.calls - 1 || 1))];
    svg.append("line").attr("class", "line").attr("x1", x(call)).attr("x2", x(call)).attr("y1", y(under)).attr("y2", y(peak));
    svg.append("circle").attr("class", "peak").attr("cx", x(call)).attr("cy", y(peak)).attr("r", 5);
    svg.append("text").attr("class", "said").attr("x", x(call) + (right ? -10 : 10)).attr("y", y(peak) - 8).attr("text-anchor", right ? "end" : "start").text(said);
  };
  render();
  new ResizeObserver(render).observe(figure);
}
