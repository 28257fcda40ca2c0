"use strict";
// Layered drawing of a graph without circles: ranks from left to right, nodes that are far apart
// joined through the gaps of the ranks between them, orders found by barycentres.

/* nodes: [{id, width, height}], links: [{from, to}] by id. Gives each node x and y, each link the
   points of its way, and the size of the whole. */
function layered(nodes, links) {
  const GAP_X = 56, GAP_Y = 12, LANE = 7, MARGIN = 14;
  const byId = new Map(nodes.map((node) => [node.id, { ...node, up: [], down: [], rank: 0 }]));
  const kept = links.filter((link) => byId.has(link.from) && byId.has(link.to) && link.from !== link.to);
  for (const link of kept) {
    byId.get(link.from).down.push(link.to);
    byId.get(link.to).up.push(link.from);
  }
  // Longest way from a source, in topological order.
  const open = new Map([...byId.values()].map((node) => [node.id, node.up.length]));
  const queue = [...byId.values()].filter((node) => !node.up.length).map((node) => node.id);
  const order = [];
  while (queue.length) {
    const node = byId.get(queue.shift());
    order.push(node);
    for (const next of node.down) {
      byId.get(next).rank = Math.max(byId.get(next).rank, node.rank + 1);
      open.set(next, open.get(next) - 1);
      if (!open.get(next)) queue.push(next);
    }
  }
  // Sources move as near to their readers as they can.
  for (const node of [...order].reverse()) {
    if (node.down.length) {
      const nearest = Math.min(...node.down.map((next) => byId.get(next).rank)) - 1;
      if (!node.up.length || nearest < node.rank) node.rank = Math.max(nearest, 0);
    }
  }
  const height = Math.max(0, ...order.map((node) => node.rank)) + 1;
  const ranks = Array.from({ length: height }, () => []);
  for (const node of order) ranks[node.rank].push(node);
  // A link over several ranks has a place to pass through in each.
  const ways = kept.map((link) => {
    const from = byId.get(link.from), to = byId.get(link.to);
    const way = [from];
    for (let rank = from.rank + 1; rank < to.rank; rank += 1) {
      const lane = { id: Symbol("lane"), lane: true, width: 0, height: LANE, rank, near: [] };
      ranks[rank].push(lane);
      way.push(lane);
    }
    way.push(to);
    return { link, way };
  });
  const left = new Map(), right = new Map();
  const add = (map, key, value) => map.has(key) ? map.get(key).push(value) : map.set(key, [value]);
  for (const { way } of ways) {
    for (let at = 1; at < way.length; at += 1) {
      add(left, way[at], way[at - 1]);
      add(right, way[at - 1], way[at]);
    }
  }
  const number = () => { for (const rank of ranks) rank.forEach((node, index) => { node.order = index; }); };
  number();
  for (let sweep = 0; sweep < 16; sweep += 1) {
    const forth = sweep % 2 === 0;
    const beside = forth ? left : right;
    for (const rank of forth ? ranks : [...ranks].reverse()) {
      for (const node of rank) {
        const near = beside.get(node) || [];
        node.weight = near.length ? near.reduce((sum, other) => sum + other.order, 0) / near.length : node.order;
      }
      rank.sort((a, b) => a.weight - b.weight || a.order - b.order);
      rank.forEach((node, index) => { node.order = index; });
    }
  }
  // Heights: each node wants the middle of its neighbours; order and gaps are kept.
  for (const rank of ranks) {
    let y = 0;
    for (const node of rank) { node.y = y; y += node.height + GAP_Y; }
  }
  const middle = (node) => node.y + node.height / 2;
  for (let sweep = 0; sweep < 24; sweep += 1) {
    const forth = sweep % 2 === 0;
    const beside = forth ? left : right;
    for (const rank of forth ? ranks : [...ranks].reverse()) {
      for (const node of rank) {
        const near = beside.get(node) || [];
        node.wish = near.length ? near.reduce((sum, other) => sum + middle(other), 0) / near.length - node.height / 2 : node.y;
      }
      spread(rank, GAP_Y);
    }
  }
  const top = Math.min(0, ...ranks.flat().map((node) => node.y));
  let x = MARGIN;
  for (const rank of ranks) {
    const width = Math.max(0, ...rank.map((node) => node.width));
    // One width a rank: a line that leaves it crosses nothing of it.
    for (const node of rank) { node.x = x; node.y += MARGIN - top; node.width = width; }
    x += width + GAP_X;
  }
  const size = { width: x - GAP_X + MARGIN, height: Math.max(0, ...ranks.flat().map((node) => node.y + node.height)) + MARGIN };
  const lines = ways.map(({ link, way }) => ({ link, path: curve(way) }));
  return { nodes: order, lines, size };
}

/* Puts the nodes of a rank where they wish to be, as far as order and gaps let them: neighbours
   that would overlap are moved as one block to the mean of their wishes. */
function spread(rank, gap) {
  const blocks = [];
  for (const node of rank) {
    let block = { nodes: [node], wish: node.wish, weight: 1, length: node.height };
    while (blocks.length) {
      const before = blocks[blocks.length - 1];
      if (before.wish + before.length + gap <= block.wish) break;
      blocks.pop();
      const shift = before.length + gap;
      block = {
        nodes: [...before.nodes, ...block.nodes],
        wish: (before.wish * before.weight + (block.wish - shift) * block.weight) / (before.weight + block.weight),
        weight: before.weight + block.weight,
        length: before.length + gap + block.length,
      };
    }
    blocks.push(block);
  }
  for (const block of blocks) {
    let y = block.wish;
    for (const node of block.nodes) { node.y = y; y += node.height + gap; }
  }
}

function curve(way) {
  const first = way[0];
  let x = first.x + first.width, y = first.y + first.height / 2;
  let path = `M${x} ${y}`;
  for (const node of way.slice(1)) {
    const toX = node.x, toY = node.y + node.height / 2, half = (toX - x) / 2;
    path += `C${x + half} ${y} ${toX - half} ${toY} ${toX} ${toY}`;
    x = toX; y = toY;
    if (node.lane) { x += node.width; path += `L${x} ${y}`; }
  }
  return path;
}
