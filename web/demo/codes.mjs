// The random latents of numbered variants, as core/latents.py draws them: SHA-256 of (seed, k), then
// PyTorch's generator of normal numbers on the CPU.

const DOMAIN = "diverse-inpainting/variant/1\0";
export const MAX_SEED = 2n ** 64n - 1n;

/** Return the seed of variant k, a hash of (seed, k), as a BigInt of 63 bits. */
export function variantSeed(seed, k) {
  const message = new Uint8Array(DOMAIN.length + 16);
  for (let i = 0; i < DOMAIN.length; i++) message[i] = DOMAIN.charCodeAt(i);
  const numbers = new DataView(message.buffer, DOMAIN.length);
  numbers.setBigUint64(0, BigInt(seed), true);
  numbers.setBigUint64(8, BigInt(k), true);
  return new DataView(sha256(message).buffer).getBigUint64(0, true) >> 1n;
}

/** Return the latent z of variant k: Float32Array of size numbers. */
export function sampleZ(seed, k, size) {
  const hash = variantSeed(seed, k);
  const first = normal(Number(hash & 0xffffffffn), size);
  const second = normal(Number(hash >> 32n), size);
  const scale = Math.fround(Math.SQRT1_2);
  return first.map((value, i) => Math.fround(value + second[i]) * scale);
}

/** Return what torch.randn gives for a generator with this seed below 2^32. */
export function normal(seed, size) {
  const next = twister(seed);
  return size < 16 ? fewNormal(next, size) : manyNormal(next, size);
}

/** PyTorch's way for 16 numbers and more: blocks of 16, the last one drawn again where it is short. */
function manyNormal(next, size) {
  const result = new Float32Array(size);
  const uniform = () => (next() & 0xffffff) / 2 ** 24;
  for (let i = 0; i < size; i++) result[i] = uniform();
  for (let i = 0; i + 16 <= size; i += 16) boxMuller(result.subarray(i, i + 16));
  if (size % 16) {
    const last = result.subarray(size - 16);
    for (let i = 0; i < 16; i++) last[i] = uniform();
    boxMuller(last);
  }
  return result;
}

function boxMuller(block) {
  for (let j = 0; j < 8; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - block[j]));
    const angle = 2 * Math.PI * block[j + 8];
    block[j] = radius * Math.cos(angle);
    block[j + 8] = radius * Math.sin(angle);
  }
}

/** PyTorch's way for fewer numbers: pairs, in double precision. */
function fewNormal(next, size) {
  const uniform = () => {
    const high = next() & 0x1fffff; // the upper 11 of 64 bits are not used
    return (high * 2 ** 32 + next()) / 2 ** 53;
  };
  const result = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const angle = 2 * Math.PI * uniform();
    const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
    result[i] = radius * Math.cos(angle);
    if (i + 1 < size) result[i + 1] = radius * Math.sin(angle);
  }
  return result;
}

/** Return a function that gives the numbers of MT19937, whole and below 2^32. */
function twister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++)
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  let at = 624;
  return () => {
    if (at === 624) {
      twist(state);
      at = 0;
    }
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

function twist(state) {
  for (let i = 0; i < 624; i++) {
    const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
    state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}

const PRIMES = primes(64);
const ROUNDS = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

function primes(count) {
  const found = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime)) found.push(n);
  return found;
}

/** Return the first 32 bits of a number's fraction. */
function fraction(number) {
  return ((number - Math.floor(number)) * 2 ** 32) | 0;
}

/** Return the SHA-256 of bytes. crypto.subtle has it only on secure pages, and only later. */
export function sha256(bytes) {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
  const hash = Int32Array.from(START);
  for (let block = 0; block < padded.length; block += 64) digest(hash, view, block);
  const result = new DataView(new ArrayBuffer(32));
  hash.forEach((word, i) => result.setInt32(4 * i, word));
  return new Uint8Array(result.buffer);
}

const turned = (x, bits) => (x >>> bits) | (x << (32 - bits));

function digest(hash, view, block) {
  const words = new Int32Array(64);
  for (let i = 0; i < 16; i++) words[i] = view.getInt32(block + 4 * i);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [words[i - 15], words[i - 2]];
    const low = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const high = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    words[i] = words[i - 16] + low + words[i - 7] + high;
  }
  let [a, b, c, d, e, f, g, h] = hash;
  for (let i = 0; i < 64; i++) {
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
    const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (hash[i] += word));
}
