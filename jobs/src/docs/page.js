"use strict";
// Everything that is shown is put in as text (`textContent`), never as markup.
(() => {
  const data = JSON.parse(document.getElementById("contents").textContent);
  const { tables, classes } = data;
  const LAYERS = ["raw", "staging", "intermediate", "marts", "exports"];
  const ENDINGS = { passed: "good", proved: "good", warned: "warn", failed: "bad" };
  const TITLES = { raw: "Raw", staging: "Staging", intermediate: "Intermediate", marts: "Marts", exports: "Exports" };
  const DIRECT = new Set(["copy", "transform", "aggregate"]);
  const byName = new Map(tables.map((table, index) => [table.name, index]));
  const readers = tables.map(() => []);
  tables.forEach((table, index) => table.inputs.forEach((input) => readers[input].push(index)));
  const main = document.getElementById("main"), list = document.getElementById("list");
  const search = document.getElementById("search");
  const title = data.shop ? `${data.shop}: models` : "Models";

  // ---- making things
  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    return fill(node, attributes, children);
  }
  function draw(tag, attributes, ...children) {
    return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
  }
  const count = (number, one) => `${Number(number).toLocaleString("en")} ${one}${Number(number) === 1 ? "" : "s"}`;
  const hash = (table, field) => `#${encodeURIComponent(table)}${field ? `/${encodeURIComponent(field)}` : ""}`;
  const shownTime = (at) => at ? at.replace("T", " ").replace(/(:\d\d)(\.\d+)?(Z|\+00:00)$/, "$1 UTC") : "";
  const lower = (text) => (text || "").toLowerCase();

  // ---- the list and the search
  function showList() {
    const words = lower(search.value).split(/\s+/).filter(Boolean);
    list.replaceChildren();
    if (words.length) return showFound(words);
    for (const layer of [...LAYERS].reverse()) {
      const found = tables.filter((table) => table.layer === layer);
      if (!found.length) continue;
      list.append(make("h2", {}, `${TITLES[layer]} (${found.length})`),
        make("ul", { class: `l-${layer}` }, found.map((table) => make("li", {}, entry(table)))));
    }
    markCurrent();
  }
  function entry(table, column, note) {
    const text = column ? `${table.name}.${column}` : table.name;
    return make("a", { href: hash(table.name, column), class: `l-${table.layer}`, "data-table": table.name },
      text, note ? make("small", {}, note) : null);
  }
  function showFound(words) {
    const found = [];
    const has = (...texts) => words.every((word) => texts.some((text) => lower(text).includes(word)));
    for (const table of tables) {
      if (has(table.name)) found.push([0, table]);
      else if (has(table.name, table.description)) found.push([2, table, null, (table.description || "").split("\n")[0]]);
      for (const column of table.columns) {
        if (has(column.name)) found.push([1, table, column.name, column.about]);
        else if (has(column.name, column.about)) found.push([3, table, column.name, column.about]);
      }
    }
    found.sort((a, b) => a[0] - b[0] || LAYERS.indexOf(b[1].layer) - LAYERS.indexOf(a[1].layer));
    list.append(make("h2", { role: "status" }, found.length ? `${found.length} found` : "Nothing found"),
      make("ul", {}, found.slice(0, 200).map(([, table, column, note]) => make("li", {}, entry(table, column, note)))));
    if (found.length > 200) list.append(make("p", {}, "The first 200 are shown."));
    markCurrent();
  }
  function markCurrent() {
    const [name] = where();
    for (const link of list.querySelectorAll("a")) {
      if (link.dataset.table === name && !search.value) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({ block: "nearest" });
      } else link.removeAttribute("aria-current");
    }
  }

  // ---- lineage
  const edgesOf = (table, column) => {
    const found = tables[table].columns.find((known) => known.name === column);
    return found ? found.edges : [];
  };
  // The field of an edge: `column`, `column.a.b`, `column[].a`; the column is all that is known.
  function columnOf(table, field) {
    const known = tables[table].columns.map((column) => column.name).filter((name) =>
      field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`));
    return known.sort((a, b) => b.length - a.length)[0] || field;
  }
  const within = (a, b) => a === b || a.startsWith(`${b}.`) || a.startsWith(`${b}[`);
  const overlaps = (a, b) => within(a, b) || within(b, a);

  function tableWalk(start, steps) {
    const reached = new Set([start]);
    for (const next of [(index) => tables[index].inputs, (index) => readers[index]]) {
      let edge = [start];
      const seen = new Set(edge);
      for (let step = 0; step < steps && edge.length; step += 1) {
        edge = edge.flatMap(next).filter((index) => !seen.has(index) && seen.add(index));
        edge.forEach((index) => reached.add(index));
      }
    }
    return reached;
  }
  function tableGraph(reached, start) {
    const nodes = [...reached].map((index) => box(String(index), tables[index], null, index === start));
    const links = [];
    for (const index of reached) for (const input of tables[index].inputs) {
      if (!reached.has(input)) continue;
      const kinds = new Set();
      for (const column of tables[index].columns) for (const [table, , kind] of column.edges) if (table === input) kinds.add(classes[kind]);
      for (const [table, , kind] of tables[index].rows) if (table === input) kinds.add(classes[kind]);
      links.push({ from: String(input), to: String(index), kinds });
    }
    return { nodes, links };
  }
  // Columns that a field comes from and goes into, and tables whose rows it decides about.
  function columnGraph(table, field, steps) {
    const id = (index, name) => `${index}/${name === null ? "" : name}`;
    const nodes = new Map(), links = new Map();
    const put = (index, name, first) => {
      const key = id(index, name);
      if (!nodes.has(key)) nodes.set(key, box(key, tables[index], name === null ? "(rows)" : name, first));
      return key;
    };
    const join = (from, to, kind) => {
      const key = `${from}>${to}`;
      if (!links.has(key)) links.set(key, { from, to, kinds: new Set() });
      links.get(key).kinds.add(classes[kind]);
    };
    const start = put(table, field, true);
    let open = [[table, field]];
    let seen = new Set([start]);
    for (let step = 0; step < steps && open.length; step += 1) {
      const next = [];
      for (const [at, name] of open) {
        if (name === null) continue;
        const column = columnOf(at, name), rest = name.slice(column.length);
        for (const [source, from, kind] of edgesOf(at, column)) {
          const place = from !== null && classes[kind] === "copy" ? from + rest : from;
          const key = put(source, place);
          join(key, id(at, name), kind);
          if (!seen.has(key)) { seen.add(key); next.push([source, place]); }
        }
      }
      open = next;
    }
    open = [[table, field]];
    seen = new Set([start]);
    for (let step = 0; step < steps && open.length; step += 1) {
      const next = [];
      for (const [at, name] of open) {
        if (name === null) continue;
        for (const reader of readers[at]) {
          const reach = (to, from, kind) => {
            if (from === null || !overlaps(from, name)) return;
            const place = to !== null && classes[kind] === "copy" && within(name, from) ? to + name.slice(from.length) : to;
            const key = put(reader, place);
            join(id(at, name), key, kind);
            if (!seen.has(key)) { seen.add(key); next.push([reader, place]); }
          };
          for (const column of tables[reader].columns) for (const [source, from, kind] of column.edges) if (source === at) reach(column.name, from, kind);
          for (const [source, from, kind] of tables[reader].rows) if (source === at) reach(null, from, kind);
        }
      }
      open = next;
    }
    return { nodes: [...nodes.values()], links: [...links.values()] };
  }
  const WIDTH_13 = 7.85, WIDTH_12 = 7.25, MOST = 46;
  function box(id, table, field, isStart) {
    const cut = (text) => text.length > MOST ? `${text.slice(0, MOST - 2)}..` : text;
    const label = cut(field || table.name), under = field ? cut(table.name) : null;
    const width = Math.ceil(Math.max(label.length * WIDTH_13, under ? under.length * WIDTH_12 : 0)) + 28;
    return { id, table, field, label, under, isStart, width, height: under ? 42 : 28 };
  }
  // ---- drawing
  function graph({ nodes, links }, name) {
    const { nodes: placed, lines, size } = layered(nodes, links);
    const holder = make("div", { class: "graph", tabindex: "0", role: "group", "aria-label": name });
    const paths = lines.map(({ link, path }) => {
      const kinds = [...link.kinds].sort((a, b) => classes.indexOf(a) - classes.indexOf(b));
      const strong = kinds.includes("aggregate") ? " aggregate" : "";
      const decides = kinds.some((kind) => DIRECT.has(kind)) ? "" : " decides";
      return { link, node: draw("path", { class: `link${strong}${decides}`, d: path }, draw("title", {}, kinds.join(", ") || "its rows only")) };
    });
    const boxes = placed.map((node) => {
      const target = node.field && node.field !== "(rows)" ? hash(node.table.name, node.field) : hash(node.table.name);
      const more = node.field && node.field !== "(rows)" ? `${node.table.name}.${node.field}` : node.table.name;
      const mark = (on) => {
        holder.classList.toggle("dim", on);
        shown.classList.toggle("near", on);
        for (const { link, node: path } of paths) if (link.from === node.id || link.to === node.id) {
          path.classList.toggle("near", on);
          const other = ids.get(link.from === node.id ? link.to : link.from);
          if (other) other.classList.toggle("near", on);
        }
      };
      const shown = draw("a", { href: target, class: `box l-${node.table.layer}${node.isStart ? " start" : ""}`,
        onmouseenter: () => mark(true), onmouseleave: () => mark(false) },
        draw("title", {}, more),
        draw("rect", { x: node.x, y: node.y, width: node.width, height: node.height, rx: 5 }),
        draw("rect", { class: "stripe", x: node.x, y: node.y + 4, width: 4, height: node.height - 8, rx: 2 }),
        draw("text", { x: node.x + 14, y: node.y + 18.5 }, node.label),
        node.under ? draw("text", { class: "of", x: node.x + 14, y: node.y + 34 }, node.under) : null);
      return [node.id, shown];
    });
    const ids = new Map(boxes);
    const svg = draw("svg", { viewBox: `0 0 ${size.width} ${size.height}`, width: size.width, height: size.height, "aria-label": name, role: "group" },
      paths.map(({ node }) => node), boxes.map(([, node]) => node));
    holder.append(svg);
    let zoom = 1;
    holder.zoom = (factor) => {
      zoom = factor === null ? Math.min(1, (holder.clientWidth - 2) / size.width) : Math.min(2, Math.max(.2, zoom * factor));
      svg.setAttribute("width", size.width * zoom);
      svg.setAttribute("height", size.height * zoom);
    };
    const start = placed.find((node) => node.isStart);
    holder.center = () => {
      // A little too wide is made to fit; much too wide would be too small to read.
      if (size.width > holder.clientWidth && holder.clientWidth / size.width > .8) holder.zoom(null);
      if (!start) return;
      holder.scrollLeft = (start.x + start.width / 2) * zoom - holder.clientWidth / 2;
      holder.scrollTop = (start.y + start.height / 2) * zoom - holder.clientHeight / 2;
    };
    return holder;
  }
  function legend() {
    const line = (kind, text) => make("span", {}, draw("svg", { width: 26, height: 8, "aria-hidden": "true" },
      draw("path", { d: "M0 4H26", style: kind === "aggregate" ? "stroke-width:3" : kind === "decides" ? "stroke-dasharray:4 4" : "" })), text);
    return make("span", { class: "legend" }, line("copy", "value"), line("aggregate", "aggregated"), line("decides", "only decides"),
      LAYERS.map((layer) => make("span", { class: `l-${layer}` }, make("i", { "aria-hidden": "true" }), TITLES[layer])));
  }
  // A graph with its tools; `build(steps)` gives nodes and links.
  function panel(name, build, choices, chosen) {
    const holder = make("div", {}), bar = make("div", { class: "tools" });
    let shown = null;
    const buttons = choices.map((steps) => make("button", { type: "button", onclick: () => show(steps) }, steps === Infinity ? "all" : String(steps)));
    function show(steps) {
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", choices[index] === steps));
      shown = graph(build(steps), name);
      holder.replaceChildren(shown);
      shown.center();
    }
    if (buttons.length) bar.append(make("span", { class: "group" }, "Steps", buttons));
    const zoom = (factor, text, label) => make("button", { type: "button", "aria-label": label, title: label, onclick: () => shown.zoom(factor) }, text);
    bar.append(make("span", { class: "group" }, zoom(1 / 1.25, "\u2212", "Smaller"), zoom(1.25, "+", "Larger"), zoom(null, "fit", "Fit the width")), legend());
    return { node: make("div", {}, bar, holder), show: () => show(chosen) };
  }

  // ---- SQL
  const KEYWORDS = new Set(("all and any array as asc at between bigint boolean both by case cast char coalesce cross current date decimal desc distinct " +
    "double else end except exists extract false filter first following for from full group grouping having ilike in inner int integer intersect interval into is " +
    "join last lateral left like limit natural not null nulls numeric offset on only or order outer over partition preceding qualify range recursive " +
    "right rollup row rows select sets similar some table text then time timestamp timestamptz to true unbounded union unnest using values varchar when where window with zone").split(" "));
  const TOKEN = /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*')|("(?:[^"]|"")*")|(\d+(?:\.\d+)?)|([A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)*)/g;
  function sql(text) {
    const out = make("code", {});
    let last = 0;
    for (const match of text.matchAll(TOKEN)) {
      out.append(text.slice(last, match.index));
      const [all, comment, string, , number, word] = match;
      const span = (kind) => make("span", { class: `t-${kind}` }, all);
      if (comment) out.append(span("comment"));
      else if (string) out.append(span("string"));
      else if (number) out.append(span("number"));
      else if (word && KEYWORDS.has(word.toLowerCase())) out.append(span("keyword"));
      else if (word && byName.has(word)) out.append(make("a", { href: hash(word) }, word));
      else out.append(all);
      last = match.index + all.length;
    }
    out.append(text.slice(last));
    return make("pre", { tabindex: "0" }, out);
  }

  // ---- pages
  const part = (text) => make("h2", { class: "part" }, text);
  // Buttons that lead to the parts of the page; the address is the model's.
  function jumps() {
    const parts = [...main.querySelectorAll("h2.part")];
    if (parts.length < 3) return;
    const to = (heading) => make("button", { type: "button", onclick: () => heading.scrollIntoView() }, heading.textContent.replace(/ of .*| are decided .*/, ""));
    parts[0].before(make("div", { class: "jumps tools" }, parts.map(to)));
  }
  const fact = (name, value, extra) => value === null || value === undefined || value === "" ? null :
    make("li", { class: extra }, name ? `${name} ` : "", make("b", {}, value));
  function paragraphs(text) {
    return make("div", { class: "about" }, (text || "").split(/\n\s*\n/).filter((p) => p.trim()).map((p) => make("p", {}, ticked(p.replace(/\n/g, " ")))));
  }
  // Names in backticks; those of tables lead there.
  function ticked(text) {
    return (text || "").split(/(`[^`]+`)/).map((piece) => {
      if (!/^`[^`]+`$/.test(piece)) return piece;
      const name = piece.slice(1, -1);
      return byName.has(name) ? make("a", { class: "mono", href: hash(name) }, name) : make("code", {}, name);
    });
  }
  function wide(head, rows, label) {
    return make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label },
      make("table", {}, make("thead", {}, make("tr", {}, head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, rows)));
  }
  function overview() {
    const models = tables.filter((table) => table.layer !== "raw");
    const cards = LAYERS.map((layer) => [layer, tables.filter((table) => table.layer === layer).length]).filter(([, number]) => number);
    const whole = panel("All tables", () => tableGraph(new Set(tables.keys()), -1), [], 0);
    const exports = models.filter((table) => table.destination);
    main.className = "";
    main.replaceChildren(make("h1", {}, title),
      make("ul", { class: "facts" }, fact("models", String(models.length)),
        fact("columns", models.reduce((sum, table) => sum + table.columns.length, 0).toLocaleString("en")),
        fact("checks", String(models.reduce((sum, table) => sum + table.checks.length, 0))),
        data.release ? fact("release", `${data.release.number}, ${shownTime(data.release.at)}`) : fact("", "nothing built yet"),
        data.checks ? fact("last checks", data.checks.says, ENDINGS[data.checks.ending]) : null,
        fact("written", shownTime(data.at)), fact("inkhouse", data.version)),
      make("div", { class: "cards" }, cards.map(([layer, number]) => make("div", { class: `card l-${layer}` }, make("b", {}, String(number)), `${TITLES[layer]}`))),
      part("Lineage"), whole.node,
      exports.length ? part("Exports") : null,
      exports.length ? wide(["export", "goes to", "as", "what it is"], exports.map((table) => make("tr", {},
        make("td", { class: "mono" }, make("a", { href: hash(table.name) }, table.name)), make("td", {}, table.destination), make("td", {}, table.object || ""),
        make("td", {}, ticked((table.description || "").split("\n")[0])))), "Exports") : null);
    whole.show();
    document.title = title;
  }
  function sources(edges) {
    if (!edges.length) return make("span", { class: "soft" }, "a literal");
    const places = new Map();
    for (const [table, field, kind] of edges) {
      const key = `${table}/${field === null ? "" : field}`;
      if (!places.has(key)) places.set(key, { table, field, kinds: [] });
      places.get(key).kinds.push(classes[kind]);
    }
    const shown = [...places.values()].sort((a, b) => classes.indexOf(a.kinds[0]) - classes.indexOf(b.kinds[0]));
    const one = ({ table, field, kinds }) => make("div", {}, make("a", { class: "mono", href: hash(tables[table].name, field) },
      field === null ? `${tables[table].name} (rows)` : `${tables[table].name}.${field}`), make("span", { class: "soft" }, ` ${kinds.join(", ")}`));
    const first = shown.slice(0, 4).map(one), rest = shown.slice(4).map(one);
    return [first, rest.length ? make("details", {}, make("summary", {}, `${rest.length} more`), rest) : null];
  }
  function status(check) {
    if (!check.outcome) return make("span", { class: "soft" }, "not run yet");
    return make("span", { class: ENDINGS[check.outcome.ending] }, check.outcome.says);
  }
  function model(index, field) {
    const table = tables[index], isRaw = table.layer === "raw";
    const column = field ? columnOf(index, field) : null;
    const known = field ? table.columns.some((c) => c.name === column) : true;
    const lineage = field && known ?
      panel(`Lineage of ${table.name}.${field}`, (steps) => columnGraph(index, field, steps), [1, 2, 3, Infinity], 2) :
      panel(`Lineage of ${table.name}`, (steps) => tableGraph(tableWalk(index, steps), index), [1, 2, Infinity], 1);
    const built = table.built;
    const rows = table.columns.map((c) => {
      const isKey = (table.key || []).includes(c.name);
      return make("tr", { class: c.name === column ? "chosen" : null, id: `c-${c.name}` },
        make("td", { class: "mono name" }, make("a", { href: hash(table.name, c.name), title: "Show its lineage" }, c.name), isKey ? make("span", { class: "key", title: "part of the key" }, " key") : null),
        make("td", { class: "type" }, c.type, c.fields ? make("details", {}, make("summary", {}, count(c.fields.length, "field")),
          make("ul", {}, c.fields.map((inner) => make("li", {}, make("a", { class: "mono", href: hash(table.name, c.name + inner.name) }, inner.name.replace(/^\./, "")), ` ${inner.type}`)))) : null),
        isRaw ? null : make("td", {}, ticked(c.about), c.about_from ? make("small", { class: "soft" }, " as in ", make("a", { href: hash(c.about_from) }, c.about_from)) : null),
        isRaw ? null : make("td", { class: "from" }, sources(c.edges)));
    });
    main.className = `l-${table.layer}`;
    main.replaceChildren(...[
      make("h1", {}, table.name),
      make("ul", { class: "facts" }, fact("", TITLES[table.layer], "layer"), fact("", table.kind), fact("key", (table.key || []).join(", ")),
        (table.tags || []).map((tag) => fact("tag", tag)),
        table.destination ? fact("goes to", `${table.destination}${table.object ? `, ${table.object}` : ""}`) : null,
        built ? fact("built", shownTime(built.at)) : isRaw || table.kind === "view" ? null : fact("", "not built yet"),
        built ? fact("rows written", Number(built.rows).toLocaleString("en")) : null,
        built && built.seconds ? fact("whole build took", `${built.seconds} s`) : null,
        fact("", table.path)),
      isRaw ? paragraphs("What a vendor said, every version of every record. Columns that start with an underscore are added when it is landed.") : paragraphs(table.description),
      part(field && known ? `Lineage of ${field}` : "Lineage"),
      field ? make("p", { class: "soft" }, make("a", { href: hash(table.name) }, `the whole of ${table.name}`)) : null,
      lineage.node,
      part(`Columns (${table.columns.length})`),
      wide(isRaw ? ["column", "type"] : ["column", "type", "what it is", "comes from"], rows, "Columns"),
      !isRaw && table.rows.length ? part("Rows are decided by") : null,
      !isRaw && table.rows.length ? make("div", {}, rowDecisions(table)) : null,
      table.checks && table.checks.length ? part(`Checks (${table.checks.length})`) : null,
      table.checks && table.checks.length ? wide(["check", "when it fails", "last result", "at"], table.checks.map((check) => make("tr", {},
        make("td", { class: "mono" }, check.name), make("td", {}, check.severity === "warn" ? "warns" : "blocks"), make("td", { class: "name" }, status(check)), make("td", { class: "type" }, shownTime(check.at)))), "Checks") : null,
      part("Queries to begin with"),
      table.samples.map((sample) => make("div", { class: "sample" }, make("h3", {}, sample.title), sql(sample.sql), copy(sample.sql))),
      table.sql ? part("SQL") : null,
      table.sql ? sql(table.sql) : null,
    ].flat(Infinity).filter(Boolean));
    jumps();
    lineage.show();
    document.title = `${table.name}${field ? `.${field}` : ""} - ${title}`;
  }
  function rowDecisions(table) {
    const groups = new Map();
    for (const [from, field, kind] of table.rows) {
      if (!groups.has(kind)) groups.set(kind, []);
      groups.get(kind).push([from, field]);
    }
    return wide(["how", "by"], [...groups].sort((a, b) => a[0] - b[0]).map(([kind, places]) => make("tr", {}, make("td", { class: "type" }, classes[kind]),
      make("td", {}, places.map(([from, field], index) => [index ? ", " : "", make("a", { class: "mono", href: hash(tables[from].name, field) },
        field === null ? `${tables[from].name} (rows)` : `${tables[from].name}.${field}`)])))), "Row decisions");
  }
  function copy(text) {
    const button = make("button", { type: "button", onclick: async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = "copied"; } catch { button.textContent = "cannot copy here"; }
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    } }, "copy");
    return button;
  }
  function where() {
    const parts = location.hash.slice(1).split("/").map((text) => { try { return decodeURIComponent(text); } catch { return text; } });
    return [parts[0] || "", parts.slice(1).join("/") || null];
  }
  function route() {
    const [name, field] = where();
    if (!name) overview();
    else if (byName.has(name)) model(byName.get(name), field);
    else main.replaceChildren(make("h1", {}, "No such model"), make("p", {}, `Nothing here is called ${name}.`));
    markCurrent();
    window.scrollTo(0, 0);
  }

  // ---- dark and light
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => { try { return localStorage.getItem("inkhouse-theme"); } catch { return null; } };
  const theme = (name) => { document.documentElement.dataset.theme = name; };
  theme(kept() || (dark.matches ? "dark" : "light"));
  dark.addEventListener("change", () => { if (!kept()) theme(dark.matches ? "dark" : "light"); });
  document.getElementById("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    theme(next);
    try { localStorage.setItem("inkhouse-theme", next); } catch { /* A page from a file may have no storage. */ }
  });

  document.getElementById("brand").textContent = title;
  document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  search.addEventListener("input", showList);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/input|textarea/i.test(document.activeElement.tagName)) { event.preventDefault(); search.focus(); }
    if (event.key === "Escape" && document.activeElement === search) { search.value = ""; showList(); }
  });
  window.addEventListener("hashchange", route);
  showList();
  route();
})();
