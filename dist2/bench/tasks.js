/** Numbers from 0 up to 1, the same for the same seed (mulberry32, by Tommy Ettinger). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
export function pick(random, from) {
  return from[Math.floor(random() * from.length)];
}
const colours = ['red', 'blue', 'green', 'golden', 'purple'];
const things = ['potion', 'sword', 'shield', 'gem', 'star', 'key', 'heart'];
/** Prompts differ from task to task, as people's do, so that text is encoded each time. */
export function promptOf(n) {
  return `a ${colours[n % colours.length]} ${things[n % things.length]}, picture ${n % 10}`;
}
/** A task of some size and number of steps, as many people together ask for. */
export function mixedTask(random) {
  const size = pick(random, [128, 192, 256]);
  const seed = Math.floor(random() * 2 ** 32);
  return { positivePrompt: promptOf(seed), width: size, height: size, steps: pick(random, [6, 10, 16]), seed };
}
/** Denoising work: steps × megapixels. Of guided tasks, as all here are. */
export function workOf({ width, height, steps }) {
  return (steps * width * height) / 1e6;
}
//# sourceMappingURL=tasks.js.map
