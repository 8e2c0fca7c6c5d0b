// Two workers of Node's cluster, each a program of its own, which fill 30 MiB over the given seconds.
const cluster = require("node:cluster");

const MIB = 1 << 20;
const kept = [];

function fill(seconds) {
  const steps = seconds * 4;
  setInterval(() => {
    if (kept.length < steps) kept.push(Buffer.alloc(Math.floor((30 * MIB) / steps), kept.length + 1));
  }, 250);
}

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  console.log("ready");
  fill(Number(process.argv[2]));
}
