"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const stepText = (step) => `step ${step.toLocaleString("en-US")}`;
  const toNumbers = (values) => values.map((value) => (value === null ? NaN : value));
  // On touch screens, dragging over a chart scrolls the page, until a tool of the chart is chosen.
  const isTouch = matchMedia("(pointer: coarse)").matches;

  // ---- Charts, drawn by BokehJS in the colors of the page ----

  function newFigure(options) {
    const { height, hover, ...rest } = options;
    const figure = Bokeh.Plotting.figure({
      sizing_mode: "stretch_both",
      tools: "pan,box_zoom,wheel_zoom,reset",
      toolbar_location: "right",
      background_fill_color: null,
      border_fill_color: null,
      outline_line_color: null,
      min_border: 4,
      ...rest,
    });
    figure.toolbar.logo = null;
    if (isTouch) figure.toolbar.active_drag = null;
    else figure.toolbar.active_drag = figure.toolbar.tools.find((tool) => tool.type === "BoxZoomTool") ?? "auto";
    for (const axis of figure.axes) {
      axis.axis_line_color = axis.major_tick_line_color = css("--line");
      axis.minor_tick_line_color = null;
      axis.major_label_text_color = axis.axis_label_text_color = css("--muted");
      axis.axis_label_text_font_style = "normal";
    }
    for (const grid of [figure.xgrid, figure.ygrid].flatMap((each) => [...each])) grid.grid_line_color = css("--grid");
    return figure;
  }

  function drawChart(chart) {
    const options = { x_axis_label: "train step", y_axis_label: chart.y_label };
    if (chart.y_range) options.y_range = chart.y_range;
    if (chart.log) options.y_axis_type = "log";
    const figure = newFigure(options);
    figure.xaxis.formatter = new Bokeh.NumeralTickFormatter({ format: "0,0" });
    const columns = { x: chart.x };
    chart.series.forEach((series, i) => {
      columns[`mean${i}`] = toNumbers(series.mean);
      if (series.low) {
        columns[`low${i}`] = toNumbers(series.low);
        columns[`high${i}`] = toNumbers(series.high);
      }
    });
    const source = new Bokeh.ColumnDataSource({ data: columns });
    if (chart.band) {
      figure.add_layout(new Bokeh.BoxAnnotation({
        bottom: chart.band.low, top: chart.band.high, fill_color: css("--muted"), fill_alpha: 0.25, line_color: null,
      }));
    }
    for (const line of chart.lines) {
      figure.add_layout(new Bokeh.Span({
        location: line.value, dimension: "width", line_color: css("--muted"), line_dash: [6, 4], line_width: 1.5,
      }));
      // The automatic range of the axis ignores spans, so an invisible glyph extends it.
      figure.scatter({ x: chart.x.slice(0, 1), y: [line.value], size: 1, alpha: 0 });
    }
    let hovered = null;
    chart.series.forEach((series, i) => {
      const color = css(`--c${i % 8}`);
      if (series.low) {
        figure.varea({ x: { field: "x" }, y1: { field: `low${i}` }, y2: { field: `high${i}` }, source, fill_color: color, fill_alpha: 0.2 });
      }
      const line = figure.line({ x: { field: "x" }, y: { field: `mean${i}` }, source, line_color: color, line_width: 2 });
      if (chart.x.length <= 60) figure.scatter({ x: { field: "x" }, y: { field: `mean${i}` }, source, fill_color: color, line_color: null, size: 5 });
      hovered ??= line;
    });
    const tooltips = [["step", "@x{0,0}"], ...chart.series.map((series, i) => [series.label, `@mean${i}{0.0000}`])];
    figure.add_tools(new Bokeh.HoverTool({ renderers: [hovered], mode: "vline", tooltips, line_policy: "nearest" }));
    return figure;
  }

  function show(id, figure) {
    const place = find(id);
    place.replaceChildren();
    return Bokeh.Plotting.show(figure, place);
  }

  function drawCharts() {
    for (const chart of data.charts) show(`chart-${chart.name}`, drawChart(chart));
  }

  // ---- Samples ----

  let updateSamples = () => {};

  function drawSamplesPlot() {
    const samples = data.samples;
    const source = new Bokeh.ColumnDataSource({ data: sampleColumns(currentFrame()) });
    let figure;
    if (samples.kind === "points") {
      const range = [-samples.limit, samples.limit];
      figure = newFigure({ x_range: range, y_range: range, match_aspect: true });
      if (samples.modes.length) {
        figure.circle({ x: samples.modes.map((m) => m[0]), y: samples.modes.map((m) => m[1]), radius: samples.radius, fill_color: null, line_color: css("--c1"), line_width: 2 });
      }
      figure.scatter({ x: { field: "x" }, y: { field: "y" }, source, size: 4, fill_color: css("--c2"), fill_alpha: 0.6, line_color: null });
    } else {
      figure = newFigure({ x_axis_label: "x", y_range: samples.y_range });
      figure.multi_line({ xs: { field: "xs" }, ys: { field: "ys" }, source, line_color: css("--c2"), line_alpha: 0.6 });
      samples.bounds.forEach((bound, i) => figure.line({ x: samples.x, y: bound.y, line_color: css(`--c${i}`), line_width: 3 }));
    }
    show("samples-plot", figure);
    return () => { source.data = sampleColumns(currentFrame()); };
  }

  const currentFrame = () => data.samples.frames[find("samples-slider").valueAsNumber];

  function sampleColumns(frame) {
    if (data.samples.kind === "points") return { x: toNumbers(frame.map((p) => p[0])), y: toNumbers(frame.map((p) => p[1])) };
    return { xs: frame.map(() => data.samples.x), ys: frame.map(toNumbers) };
  }

  function startSamples() {
    const { kind, steps, frames } = data.samples;
    const slider = find("samples-slider"), play = find("samples-play");
    if (kind !== "images") updateSamples = drawSamplesPlot();
    const image = find("samples-image") ?? find("samples-plot");
    const update = () => {
      const index = slider.valueAsNumber, text = stepText(steps[index]);
      find("samples-step").value = text;
      slider.setAttribute("aria-valuetext", text);
      if (kind === "images") { image.src = frames[index]; image.alt = `Samples at ${text}`; }
      else { image.setAttribute("aria-label", `Samples at ${text}`); updateSamples(); }
    };
    slider.addEventListener("input", () => { stop(); update(); });
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶"; };
    play.addEventListener("click", () => {
      if (timer !== null) { stop(); return; }
      if (slider.valueAsNumber === steps.length - 1) slider.valueAsNumber = 0;
      play.textContent = "❚❚";
      update();
      timer = setInterval(() => {
        slider.valueAsNumber += 1;
        update();
        if (slider.valueAsNumber === steps.length - 1) stop();
      }, Math.max(80, Math.min(600, 6000 / steps.length)));
    });
    update();
  }

  // ---- Latent explorer ----

  function startExplorer() {
    const { size, planes } = data.explorer;
    const pad = find("explorer-pad"), map = find("explorer-map"), large = find("explorer-sample");
    const choosePlane = find("explorer-plane"), chooseClass = find("explorer-class");
    const isImages = data.explorer.kind === "images";
    const sheets = new Map();
    let row = (size - 1) / 2, column = row;

    function currentSheet() {
      const plane = Number(choosePlane.value), label = chooseClass ? Number(chooseClass.value) : 0;
      const content = planes[plane].sheets[label];
      if (!isImages) return content;
      const key = `${plane} ${label}`;
      if (!sheets.has(key)) {
        const image = new Image();
        image.onload = draw;
        image.src = content;
        sheets.set(key, image);
      }
      return sheets.get(key);
    }

    function draw() {
      const sheet = currentSheet(), plane = planes[Number(choosePlane.value)];
      find("explorer-note").textContent = plane.note;
      if (isImages) drawImages(sheet);
      else drawNumbers(sheet, size, row, column, map, large);
      const cursor = find("explorer-cursor"), part = 100 / size;
      Object.assign(cursor.style, { left: `${column * part}%`, top: `${row * part}%`, width: `${part}%`, height: `${part}%` });
      const across = ((2 * column) / (size - 1) - 1).toFixed(1), down = (1 - (2 * row) / (size - 1)).toFixed(1);
      find("explorer-position").textContent = `x ${across}, y ${down}`;
    }

    function drawImages(sheet) {
      if (!sheet.complete || !sheet.naturalWidth) return;
      const width = sheet.naturalWidth / size, height = sheet.naturalHeight / size;
      Object.assign(map, { width: sheet.naturalWidth, height: sheet.naturalHeight });
      map.getContext("2d").drawImage(sheet, 0, 0);
      Object.assign(large, { width, height });
      large.getContext("2d").drawImage(sheet, column * width, row * height, width, height, 0, 0, width, height);
    }

    const clamp = (value) => Math.max(0, Math.min(size - 1, value));
    function moveTo(event) {
      const box = pad.getBoundingClientRect();
      column = clamp(Math.floor(((event.clientX - box.left) / box.width) * size));
      row = clamp(Math.floor(((event.clientY - box.top) / box.height) * size));
      draw();
    }
    pad.addEventListener("pointerdown", (event) => { pad.setPointerCapture(event.pointerId); moveTo(event); });
    pad.addEventListener("pointermove", (event) => { if (pad.hasPointerCapture(event.pointerId)) moveTo(event); });
    pad.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!move) return;
      event.preventDefault();
      row = clamp(row + move[0]);
      column = clamp(column + move[1]);
      draw();
    });
    choosePlane.addEventListener("change", draw);
    chooseClass?.addEventListener("change", draw);
    draw();
    return draw;
  }

  // Draws samples that are 2-D points or curves: the chosen one large, and on the map the direction
  // or the height of each as a color.
  function drawNumbers(values, size, row, column, map, large) {
    const explorer = data.explorer;
    const flat = (index) => values[index].map((v) => v ?? 0);
    const context = map.getContext("2d");
    Object.assign(map, { width: size, height: size });
    const pixels = context.createImageData(size, size);
    values.forEach((_, i) => {
      const v = flat(i);
      const hue = explorer.kind === "points" ? (Math.atan2(v[1], v[0]) * 180) / Math.PI + 180
        : 240 * Math.max(0, Math.min(1, v[0] / 3.5));
      pixels.data.set([...toRgb(hue), 255], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
    const side = 420, chosen = flat(row * size + column), paint = large.getContext("2d");
    Object.assign(large, { width: side, height: side });
    if (explorer.kind === "points") {
      const at = (v) => ((v / explorer.limit + 1) * side) / 2;
      const dot = (p, radius, color) => { paint.fillStyle = color; paint.beginPath(); paint.arc(at(p[0]), side - at(p[1]), radius, 0, 7); paint.fill(); };
      values.forEach((_, i) => dot(flat(i), 2, css("--c7")));
      explorer.modes.forEach((mode) => { paint.strokeStyle = css("--c1"); paint.lineWidth = 2; paint.beginPath(); paint.arc(at(mode[0]), side - at(mode[1]), 9, 0, 7); paint.stroke(); });
      dot(chosen, 6, css("--accent"));
    } else {
      const [low, high] = explorer.y_range;
      const line = (ys, color, width) => {
        Object.assign(paint, { strokeStyle: color, lineWidth: width });
        paint.beginPath();
        ys.forEach((y, i) => paint.lineTo((i / (ys.length - 1)) * side, side * (1 - (y - low) / (high - low))));
        paint.stroke();
      };
      explorer.bounds.forEach((bound, i) => line(bound.y, css(`--c${i}`), 3));
      line(chosen, css("--c2"), 4);
    }
  }

  function toRgb(hue) {
    const part = (n) => { const k = (n + hue / 30) % 12; return Math.round(255 * (0.55 - 0.4 * Math.max(-1, Math.min(k - 3, 9 - k, 1)))); };
    return [part(0), part(8), part(4)];
  }

  // ---- Settings ----

  function startCopy() {
    const button = find("copy"), text = find("record").textContent;
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); } catch {
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      button.textContent = "Copied";
    });
  }

  drawCharts();
  if (data.samples) startSamples();
  const redrawExplorer = data.explorer ? startExplorer() : () => {};
  if (find("copy")) startCopy();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawCharts();
    if (data.samples && data.samples.kind !== "images") updateSamples = drawSamplesPlot();
    redrawExplorer();
  });
})();
