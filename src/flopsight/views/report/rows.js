// The modules as a tree, made from the rows' depths.

const modules = data.modules;
const nodes = modules.depth.map((depth, index) => ({
  index, depth, parent: null, children: [], own: Boolean(modules.own[index]),
  name: modules.text.name[index], path: modules.text.path[index], kind: modules.text.class[index],
}));
const tops = [];
nodes.reduce((above, node) => {
  node.parent = above[node.depth - 1] ?? null;
  (node.parent ? node.parent.children : tops).push(node);
  above[node.depth] = node;
  return above;
}, []);

// Colours tell the classes that do most of the work; modules that hold others have the neutral one.
const COLOURS = 6;
const OTHERS = COLOURS + 1;
const colours = new Map();
{
  const work = figures(modules, "exact", "all").values;
  const sums = new Map();
  for (const node of nodes) {
    if (!node.children.length && !node.own) sums.set(node.kind, (sums.get(node.kind) ?? 0n) + work[node.index]);
  }
  const most = [...sums].filter(([, sum]) => sum).sort((a, b) => compared(b[1], a[1]) || compared(a[0], b[0]));
  most.slice(0, COLOURS).forEach(([kind], place) => colours.set(kind, place + 1));
}

function colour(node) {
  if (node.children.length) return 0;
  return node.own ? OTHERS : colours.get(node.kind) ?? OTHERS;
}

function within(node, other) {
  for (let at = node; at; at = at.parent) if (at === other) return true;
  return false;
}
