// Charts: uPlot draws the numbers that each figure carries. The words and the table beside them are there without it.
(() => {
  const HINT = "Point or use the arrow keys for values; drag or + zooms, 0 shows all.";
  const HINT_SHORT = "Point, tap or use the arrow keys.";
  const DAY_S = 86400;
  const HEIGHT_ON_PAPER = 190;
  const STEPS = [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
  const WHOLE_STEPS = STEPS.filter(Number.isInteger);

  const number = (value) => value.toLocaleString("en-GB", { maximumFractionDigits: 6 });
  const dayName = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const day = (seconds) => Math.floor(seconds / DAY_S);
  const spansDays = (told) => day(told.from) !== day(told.to);
  const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).split("T");
  const clock = (told, seconds) => moment(seconds).slice(spansDays(told) ? 0 : 1).join(" ");

  // A line over time and a distribution differ in where a value stands, what is said of it and how it looks.
  const KINDS = {
    line: {
      isTime: true,
      places: (told) => told.x,
      says: (told, at) => `${number(told.y[at])}${told.unit} at ${clock(told, told.x[at])} UTC`,
      spans: (told, min, max) => `${clock(told, min)} to ${clock(told, max)} UTC`,
      series: (look, told) => ({ stroke: () => look.line, fill: () => look.area, width: told.x.length > 1000 ? 1 : 2, points: { size: 6, fill: () => look.line } }),
      ticks: (told, splits, step) => splits.map((split, at) => {
        const date = dayName.format(split * 1000);
        if (step >= DAY_S) return date;
        const isNewDay = spansDays(told) && (at === 0 || day(split) !== day(splits[at - 1]));
        return moment(split)[1].slice(0, step < 60 ? 8 : 5) + (isNewDay ? `\n${date}` : "");
      }),
    },
    bars: {
      isTime: false,
      places: (told) => told.x.map((least) => least + told.width / 2),
      says: (told, at) => `${number(told.y[at])}${told.unit} from ${number(told.x[at])} to ${number(told.x[at] + told.width)}`,
      spans: (told, min, max) => `${number(min)} to ${number(max)}`,
      series: (look) => ({ fill: () => look.line, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [1, Infinity, 2], gap: 1 }) }),
      ticks: (told, splits) => splits.map(number),
    },
  };

  // What is told now, and the colours of now, are asked for at each drawing: both change while a chart stays.
  const optionsOf = (chart) => {
    const { kind, look, stage } = chart;
    const lines = { stroke: () => look.grid, width: 1 };
    const axis = { font: `12px ${getComputedStyle(stage).fontFamily}`, stroke: () => look.words, grid: lines, ticks: { ...lines, size: 5 } };
    const across = (u, min, max) => {
      const { from, to } = chart.told, [places] = u.data;
      // uPlot asks for all of the data; what is told of may begin before and end after it.
      const isAll = places.length < 2 || (min === places[0] && max === places.at(-1));
      return isAll ? [from, Math.max(to, from + .001)] : [min, max];
    };
    const widest = (u, labels) => {
      u.ctx.font = u.axes[1].font[0];
      return 14 + Math.max(0, ...(labels ?? []).map((label) => u.ctx.measureText(label).width)) / uPlot.pxRatio;
    };
    return {
      width: stage.clientWidth,
      height: stage.clientHeight,
      padding: [chart.told.marks?.length ? 58 : 8, null, 0, null],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      legend: { show: false },
      cursor: { y: false, drag: { dist: 6 }, points: { size: 9 } },
      scales: {
        x: { time: kind.isTime, range: across },
        y: { range: (u, min, max) => [0, max > 0 ? uPlot.rangeNum(0, max, .1, true)[1] : 1] },
      },
      series: [{}, kind.series(look, chart.told)],
      axes: [
        {
          ...axis,
          space: 66,
          size: (u, labels) => (labels?.some((label) => label.includes("\n")) ? 46 : 30),
          values: (u, splits, at, space, step) => kind.ticks(chart.told, splits, step),
        },
        {
          ...axis,
          space: 32,
          size: widest,
          incrs: () => (chart.told.y.every(Number.isInteger) ? WHOLE_STEPS : STEPS),
          values: (u, splits) => splits.map((split) => number(split) + chart.told.unit),
        },
      ],
      hooks: {
        draw: [(u) => drawMarks(u, chart)],
        setCursor: [(u) => { if (!chart.isByKey) tell(chart, u.cursor.idx); }],
      },
    };
  };

  // A line across the bars at each value that matters, with its name above.
  const drawMarks = ({ ctx, bbox, axes, valToPos }, { told, look }) => {
    const ratio = uPlot.pxRatio;
    ctx.save();
    ctx.font = axes[0].font[0];
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.strokeStyle = ctx.fillStyle = look.marks;
    for (const [at, name] of told.marks ?? []) {
      const x = valToPos(at, "x", true);
      if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.save();
      ctx.translate(x, bbox.top);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText(name, 4 * ratio, 0);
      ctx.restore();
    }
    ctx.restore();
  };

  const tell = (chart, at) => {
    chart.at = at;
    const words = at === null ? "" : chart.kind.says(chart.told, at);
    if (chart.output.textContent !== words) chart.output.textContent = words;
  };

  // Shows so much of the scale around its middle, at most all of it.
  const show = ({ told: { from, to }, u }, middle, width) => {
    const min = width < to - from ? Math.min(Math.max(middle - width / 2, from), to - width) : from;
    u.batch(() => u.setScale("x", { min, max: width < to - from ? min + width : to }));
  };

  const go = (chart, wanted) => {
    const { u } = chart, [places] = u.data, { min, max } = u.scales.x;
    const at = Math.min(Math.max(wanted, 0), places.length - 1);
    chart.isByKey = true;
    if (places[at] < min || places[at] > max) show(chart, places[at], max - min);
    u.setCursor({ left: u.valToPos(places[at], "x"), top: 0 }, false);
    tell(chart, at);
  };

  const zoom = (chart, factor) => {
    const { u, told } = chart, { min, max } = u.scales.x;
    const at = chart.at ?? u.valToIdx((min + max) / 2);
    const least = (told.to - told.from) / told.x.length;
    show(chart, u.data[0][at], Math.max((max - min) * factor, least));
    go(chart, at);
    chart.output.textContent = chart.kind.spans(told, u.scales.x.min, u.scales.x.max);
  };

  const leave = (chart) => {
    chart.isByKey = false;
    chart.u.setCursor({ left: -10, top: -10 }, false);
    tell(chart, null);
  };

  const press = (chart, event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const last = chart.told.x.length - 1, at = chart.at ?? last;
    const keys = {
      ArrowLeft: () => go(chart, at - 1), ArrowRight: () => go(chart, at + 1),
      PageUp: () => go(chart, at - 10), PageDown: () => go(chart, at + 10),
      Home: () => go(chart, 0), End: () => go(chart, last),
      "+": () => zoom(chart, .5), "=": () => zoom(chart, .5), "-": () => zoom(chart, 2), 0: () => zoom(chart, Infinity),
      Escape: () => leave(chart),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };

  let isOnPaper = matchMedia("print").matches;
  // Takes the size and the colours of its place as they are now.
  const fit = (chart) => {
    const { plot, stage, look, u } = chart;
    plot.closest(".chart").classList.toggle("on-paper", isOnPaper);
    const style = getComputedStyle(plot), of = (name) => style.getPropertyValue(`--${name}-of-chart`);
    for (const name of ["line", "area", "marks", "words", "grid"]) look[name] = of(name);
    const onPaper = { width: Number(of("width")), height: HEIGHT_ON_PAPER };
    u.batch(() => u.setSize(isOnPaper ? onPaper : { width: stage.clientWidth, height: stage.clientHeight }));
    if (chart.isByKey) go(chart, chart.at);
  };

  const draw = (plot) => {
    const told = JSON.parse(plot.dataset.chart);
    const stage = document.createElement("div"), output = document.createElement("output");
    const chart = { plot, told, kind: KINDS[told.kind], stage, output, look: {}, at: null, isByKey: false };
    stage.className = "stage";
    output.dataset.hint = HINT;
    output.dataset.hintShort = HINT_SHORT;
    output.ariaLive = "polite";
    plot.append(stage, output);
    plot.tabIndex = 0;
    plot.role = "application";
    plot.ariaRoleDescription = "chart";
    plot.ariaLabel = `${told.name}. Arrow keys read value by value, plus and minus zoom, 0 shows all, Escape ends reading.`;
    chart.u = new uPlot(optionsOf(chart), [chart.kind.places(told), told.y], stage);
    fit(chart);
    chart.observer = new ResizeObserver(() => {
      if (!isOnPaper && (stage.clientWidth !== chart.u.width || stage.clientHeight !== chart.u.height)) fit(chart);
    });
    chart.observer.observe(stage);
    plot.addEventListener("keydown", (event) => press(chart, event));
    plot.addEventListener("focus", () => { if (plot.matches(":focus-visible") && chart.at === null) go(chart, Infinity); });
    // Whoever replaces a live part gives the focus back at once; then nobody has left.
    plot.addEventListener("blur", () => queueMicrotask(() => { if (document.activeElement !== plot && chart.isByKey) leave(chart); }));
    // What lies above may have another height by now; and who moves the mouse reads with it.
    stage.addEventListener("mouseenter", () => chart.u.syncRect(true));
    stage.addEventListener("mousemove", () => { chart.isByKey = false; }, true);
    return chart;
  };

  // The drawing moves to where it came anew, and goes on there with the new numbers: what was read and zoomed stays.
  const update = (chart, fresh) => {
    const { u, told, plot, kind } = chart, { min, max } = u.scales.x;
    const isAll = min === told.from && max === told.to;
    const read = chart.isByKey ? u.data[0][chart.at] : null;
    chart.told = JSON.parse(fresh.dataset.chart);
    fresh.replaceWith(plot);
    plot.closest(".chart").classList.toggle("on-paper", isOnPaper);
    u.batch(() => {
      u.setData([kind.places(chart.told), chart.told.y], isAll);
      if (!isAll) u.redraw();
    });
    u.syncRect(true);
    if (read !== null) go(chart, u.valToIdx(read));
  };

  const charts = new Map();
  const look = () => {
    for (const [id, chart] of charts) {
      const place = document.getElementById(id);
      if (place && place !== chart.plot) update(chart, place);
      if (place) continue;
      chart.observer.disconnect();
      chart.u.destroy();
      charts.delete(id);
    }
    for (const plot of document.querySelectorAll(".plot")) if (!charts.has(plot.id)) charts.set(plot.id, draw(plot));
  };
  look();
  for (const swapped of ["replaced", "htmx:after:swap"]) document.addEventListener(swapped, look);

  const fitAll = () => charts.forEach(fit);
  const onPaper = (isPaper) => { if (isOnPaper !== isPaper) { isOnPaper = isPaper; fitAll(); } };
  addEventListener("beforeprint", () => onPaper(true));
  addEventListener("afterprint", () => onPaper(false));
  matchMedia("print").addEventListener("change", (event) => onPaper(event.matches));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fitAll);
  new MutationObserver(fitAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
})();
