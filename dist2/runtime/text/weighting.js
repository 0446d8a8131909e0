/**
 * The weights of AUTOMATIC1111's web UI on the states of one row: z ← w z for each token, then all of z is scaled so that
 * its mean is what it was.
 *
 * Where the states have a mean of about 0, as in networks that leave it there, the ratio of the two means is chance; a
 * ratio that no choice of these weights could need leaves the weighted states as they are.
 *
 * @param states [length, width] @param weights one for each token
 */
export function weighSdEmbeds({ data, length, width }, weights) {
  const weighted = new Float32Array(data.length);
  let before = 0;
  let after = 0;
  for (let token = 0; token < length; token++) {
    const weight = weights[token];
    for (let at = token * width; at < (token + 1) * width; at++) {
      const value = data[at] * weight;
      weighted[at] = value;
      before += data[at];
      after += value;
    }
  }
  const ratio = before / after;
  // Weights reach from 1/10 to 10, and so does what they do to a mean, unless tokens cancel each other.
  const scale = ratio >= 0.1 && ratio <= 10 ? ratio : 1;
  return { data: weighted.map((value) => value * scale), length, width };
}
/**
 * The weights of compel on the states of one row. Each token moves on the line from the empty text's state:
 * z ← z₀ + w (z − z₀). Then, for each fragment of a weight w below 1, the states of the row that lacks it are mixed in,
 * as strongly as tan((1 − w) π/2): not at all for 1, half and half for 0.5, nothing else for 0.
 *
 * @param states [length, width] @param empty the same of the empty text @param weights one for each token
 */
export function weighCompel(states, empty, weights, lacking) {
  const base = moveFrom(empty, states, weights);
  const sum = Float64Array.from(base);
  let total = 1;
  for (const { weight, row } of lacking) {
    const share = Math.tan(((1 - Math.max(1e-5, weight)) * Math.PI) / 2);
    const other = row ? moveFrom(empty, row.states, row.weights) : base;
    for (let at = 0; at < sum.length; at++) sum[at] = sum[at] + share * other[at];
    total += share;
  }
  return { ...states, data: Float32Array.from(sum, (value) => value / total) };
}
/** z₀ + w (z − z₀) */
function moveFrom(empty, { data, width }, weights) {
  const moved = new Float64Array(data.length);
  for (let at = 0; at < data.length; at++) {
    const origin = empty.data[at];
    moved[at] = origin + weights[Math.floor(at / width)] * (data[at] - origin);
  }
  return moved;
}
//# sourceMappingURL=weighting.js.map
