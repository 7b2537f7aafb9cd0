/* Pictures of the page. Numbers become floats here and only here: for the eye. */
const HEIGHT = 190, LEFT = 62, RIGHT = 10, TOP = 12, BOTTOM = 22;
const number = v => (gone(v) ? null : Number(v));

function chart(svg, xs, ys) {
  const width = Math.max(260, svg.parentElement.clientWidth);
  svg.setAttribute("viewBox", "0 0 " + width + " " + HEIGHT);
  svg.replaceChildren();
  const pad = (Math.max(...ys) - Math.min(...ys)) * 0.06 || Math.abs(ys[0]) * 0.001 || 1;
  const low = Math.min(...ys) - pad, high = Math.max(...ys) + pad;
  const from = Math.min(...xs), to = Math.max(...xs) > from ? Math.max(...xs) : from + 1;
  const x = v => LEFT + (v - from) / (to - from) * (width - LEFT - RIGHT);
  const y = v => HEIGHT - BOTTOM - (v - low) / (high - low) * (HEIGHT - TOP - BOTTOM);
  function add(name, attributes, text) {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    svg.appendChild(made);
    return made;
  }
  const words = (at, level, text, anchor) =>
    add("text", { x: at, y: level, "text-anchor": anchor, class: "axis" }, text);
  const least = Math.min(...ys), most = Math.max(...ys);
  const digits = most - least < 1 ? 4 : most - least < 100 ? 2 : 0;
  for (const value of new Set([least, (least + most) / 2, most])) {
    add("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "grid" });
    words(LEFT - 6, y(value) + 4, money(value.toFixed(digits)), "end");
  }
  /* A line that holds each value until the next one, and breaks where there is none. */
  function line(points, kind) {
    let path = "", pen = false;
    for (const [at, value] of points) {
      if (pen) path += "H" + x(at).toFixed(1);
      if (value === null) { pen = false; continue; }
      path += (pen ? "V" + y(value).toFixed(1) : "M" + x(at).toFixed(1) + " " + y(value).toFixed(1));
      pen = true;
    }
    add("path", { d: path || "M0 0", class: kind });
  }
  return { add, line, words, x, y, width };
}
function empty(svg, text) {
  svg.replaceChildren();
  svg.setAttribute("viewBox", "0 0 300 40");
  const made = document.createElementNS(svg.namespaceURI, "text");
  made.setAttribute("y", 24);
  made.setAttribute("class", "axis");
  made.textContent = text;
  svg.appendChild(made);
}
function times(picture, points) {
  const span = points[points.length - 1].at_ms - points[0].at_ms;
  picture.words(LEFT, HEIGHT - 5, age(span) + " ago", "start");
  picture.words(picture.width - RIGHT, HEIGHT - 5, "now", "end");
}
function drawPrices(svg, { points, fills }) {
  const series = ["reference", "bid", "ask"];
  const shownFills = fills.filter(f => points.length && f.at_ms >= points[0].at_ms);
  const values = points.flatMap(p => series.map(key => number(p[key]))).filter(v => v !== null)
    .concat(shownFills.map(f => Number(f.price)));
  if (!values.length) return empty(svg, "no price yet");
  const picture = chart(svg, points.map(p => p.at_ms), values);
  for (const key of series) picture.line(points.map(p => [p.at_ms, number(p[key])]), "trace " + key);
  for (const fill of shownFills) {
    const dot = picture.add("circle",
      { cx: picture.x(fill.at_ms), cy: picture.y(Number(fill.price)), r: 4, class: "dot " + fill.side });
    const title = document.createElementNS(svg.namespaceURI, "title");
    title.textContent = fill.side + " " + money(fill.size) + " at " + money(fill.price);
    dot.appendChild(title);
  }
  times(picture, points);
}
function drawInventory(svg, { points, limits }) {
  const held = points.map(p => [p.at_ms, number(p.inventory)]).filter(([, value]) => value !== null);
  if (!held.length) return empty(svg, "no balance yet");
  const bounds = [Number(limits.short), Number(limits.long)];
  const picture = chart(svg, points.map(p => p.at_ms), [...held.map(([, value]) => value), ...bounds]);
  const ends = [points[0].at_ms, points[points.length - 1].at_ms];
  for (const bound of bounds) picture.line(ends.map(at => [at, bound]), "trace bound");
  picture.line(held, "trace reference");
  times(picture, points);
}
function drawDepth(svg, orders) {
  if (!orders.length) return empty(svg, "nothing rests");
  const sides = ["buy", "sell"].map(side => {
    const own = orders.filter(o => o.side === side).map(o => [Number(o.price), Number(o.size)])
      .sort((a, b) => side === "buy" ? b[0] - a[0] : a[0] - b[0]);
    let sum = 0;
    return { side, steps: own.map(([price, size]) => [price, sum += size]) };
  });
  const all = sides.flatMap(s => s.steps), prices = all.map(([price]) => price);
  const room = (Math.max(...prices) - Math.min(...prices)) * 0.1 || prices[0] * 0.001;
  const low = Math.min(...prices) - room, high = Math.max(...prices) + room;
  const picture = chart(svg, [low, high], [0, ...all.map(([, sum]) => sum)]);
  for (const { side, steps } of sides) {
    if (!steps.length) continue;
    let path = "M" + picture.x(steps[0][0]) + " " + picture.y(0);
    for (const [price, sum] of steps) path += "H" + picture.x(price) + "V" + picture.y(sum);
    path += "H" + picture.x(side === "buy" ? low : high) + "V" + picture.y(0) + "Z";
    picture.add("path", { d: path, class: "area " + side });
  }
  picture.words(picture.x(low), HEIGHT - 5, money(low.toFixed(2)), "start");
  picture.words(picture.x(high), HEIGHT - 5, money(high.toFixed(2)), "end");
}
