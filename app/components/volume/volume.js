// Built from src/ 3792b521833625c36922ec85cb43afa0c8f06977ab03712b940f6b625a0ebfd2: edit there, then run npm run build.

// src/page.js
var LINKS = "[data-testid=stTopNavLink], [data-testid=stSidebarNavLink], [data-testid=stTopNavDropdownLink]";
var SETTLE = 100;
var LATEST = 6e4;
var BACK = 2e3;
var page = globalThis.infnetPage ??= { idle: -Infinity, left: -Infinity, path: "", sending: false, watched: null, whole: null };
function busy() {
  const app = document.querySelector("[data-testid=stApp]");
  watch(app);
  if (location.pathname !== page.path) page.left = -Infinity;
  const state = app?.dataset.testScriptState;
  if (page.sending || state != null && state !== "notRunning") return true;
  return performance.now() < Math.max(page.idle + SETTLE, page.left + LATEST);
}
function ask(send) {
  page.sending = true;
  send();
  setTimeout(() => {
    page.sending = false;
  });
}
function watch(app) {
  if (!app || page.watched === app) return;
  const first = page.watched === null;
  page.watched = app;
  new MutationObserver(() => {
    if (app.dataset.testScriptState === "notRunning") page.idle = performance.now();
  }).observe(app, { attributeFilter: ["data-test-script-state"] });
  if (!first) return;
  addEventListener("popstate", () => leave(LATEST - BACK));
  addEventListener("click", clicked, true);
}
function clicked(event) {
  if (page.sending) {
    event.preventDefault();
    event.stopImmediatePropagation();
    setTimeout(() => event.target.dispatchEvent(new MouseEvent("click", event)));
  } else if (event.target.closest?.(LINKS) && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    if (event.target.closest(LINKS).pathname !== location.pathname) leave(0);
  }
}
function leave(ago) {
  Object.assign(page, { left: performance.now() - ago, path: location.pathname });
}

// src/store.js
var TYPES = { int16: Int16Array, uint16: Uint16Array, uint8: Uint8Array };
var BLOCK = 4 << 20;
var CODES = 256;
var level = (mark) => mark & 31;
var dense = (mark) => mark >> 5 & 1;
var side = (mark) => mark >> 6;
var byHand = (mark) => level(mark) === 31 || (mark & 63) === 32;
var Volume = class {
  constructor(head) {
    this.shape = head.shape;
    const [slices, rows, columns] = head.shape;
    this.area = rows * columns;
    this.values = new TYPES[head.kind](slices * this.area);
    if (head.kind === "int16") this.values.fill(-32768);
    this.marks = new Uint8Array(slices * this.area);
    this.held = new Uint8Array(slices);
    this.marked = new Array(slices).fill(null);
    this.counts = head.shape.map((length) => new Int32Array(length * CODES));
    this.version = 0;
    this.revision = head.corrections.revision;
    this.update(head);
  }
  update(head) {
    this.head = head;
    this.ready = new Uint8Array(this.shape[0]);
    this.previewed = new Uint8Array(this.shape[0]);
    for (const [from, to] of head.ready) this.ready.fill(1, from, to);
    for (const [from, to] of head.previewed) this.previewed.fill(1, from, to);
  }
  /** Which marks slice `z` ought to have now. */
  _due(z) {
    return this.head.reading + (this.previewed[z] ? " previewed" : "");
  }
  /** Take in the blocks of a message, each {what, slices, bytes}. */
  take(blocks) {
    for (const { what, slices, bytes } of blocks) {
      const type = what === "values" ? this.values.constructor : Uint8Array;
      const block = new type(bytes.slice().buffer);
      slices.forEach((z, at) => {
        const slice = block.subarray(at * this.area, (at + 1) * this.area);
        if (what === "values") {
          this.values.set(slice, z * this.area);
          this.held[z] = 1;
        } else this._mark(z, slice);
      });
      this.version++;
    }
  }
  _mark(z, slice) {
    const { area: area2, marks } = this, start = z * area2;
    for (let at = 0; at < area2; at++) if (marks[start + at] !== slice[at]) this.put(start + at, slice[at]);
    this.marked[z] = this.ready[z] ? this._due(z) : null;
  }
  /** Give a voxel (flat) another mark; `version` is the caller's. */
  put(voxel, mark) {
    const { area: area2, marks } = this, [axial, coronal, sagittal] = this.counts, columns = this.shape[2];
    const z = Math.floor(voxel / area2), row = Math.floor((voxel - z * area2) / columns), column = voxel - z * area2 - row * columns;
    for (const [kind, by] of [[marks[voxel], -1], [mark, 1]]) {
      if (!kind) continue;
      axial[z * CODES + kind] += by;
      coronal[row * CODES + kind] += by;
      sagittal[column * CODES + kind] += by;
    }
    marks[voxel] = mark;
  }
  /** The marks of slices, of all where none are named, are to be asked for again. */
  ask(slices = this.marked.keys()) {
    for (const z of slices) this.marked[z] = null;
  }
  /** Which slices to ask for next, nearest to slice `z` first; null where everything is here. */
  want(z) {
    const near = [...this.held.keys()].sort((a, b) => Math.abs(a - z) - Math.abs(b - z));
    const most = Math.max(1, Math.floor(BLOCK / (this.area * this.values.BYTES_PER_ELEMENT)));
    const values = near.filter((k) => !this.held[k]).slice(0, most);
    const marks = near.filter((k) => this.ready[k] && this.marked[k] !== this._due(k)).slice(0, 4 * most);
    return values.length || marks.length ? { values, marks } : null;
  }
  get complete() {
    return this.held.every(Boolean) && this.marked.every((m) => m === this.head.reading);
  }
  /** The value (HU or grey) of a voxel; null where it is not here yet. */
  value([z, row, column]) {
    if (!this.held[z]) return null;
    return this.head.offset + this.head.step * this.values[z * this.area + row * this.shape[2] + column];
  }
  holds(voxel) {
    return voxel.every((v, axis) => v >= 0 && v < this.shape[axis]);
  }
  mark([z, row, column]) {
    return this.marks[z * this.area + row * this.shape[2] + column];
  }
  /** Voxels of slice `index` of a plane, of all slices where it is null: {lungs: [none, right, left], lesions: [side][class]}. */
  sum(plane, index, threshold) {
    const counts = this.counts[plane];
    const [first, last] = index == null ? [0, this.shape[plane]] : [index, index + 1];
    const lungs = [0, 0, 0], lesions = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
    for (let k = first; k < last; k++)
      for (let mark = 1; mark < CODES; mark++) {
        const count = counts[k * CODES + mark];
        if (!count) continue;
        lungs[side(mark)] += count;
        if (level(mark) >= threshold) lesions[side(mark)][1 + dense(mark)] += count;
      }
    return { lungs, lesions };
  }
  /** [ggo, consolidation] voxels of each slice of a plane. */
  loads(plane, threshold) {
    const counts = this.counts[plane], loads = [];
    for (let k = 0; k < this.shape[plane]; k++) {
      const load = [0, 0];
      for (let mark = 1; mark < CODES; mark++) {
        if (counts[k * CODES + mark] && level(mark) >= threshold) load[dense(mark)] += counts[k * CODES + mark];
      }
      loads.push(load);
    }
    return loads;
  }
};

// src/body.js
var LONGEST = 128;
var FRAME = 60;
var VERTEX = `#version 300 es
in vec2 corner; out vec2 point;
void main() { point = corner; gl_Position = vec4(corner, 0., 1.); }`;
var FRAGMENT = `#version 300 es
precision highp float; precision highp sampler3D;
in vec2 point; out vec4 colour;
uniform sampler3D shares; uniform vec3 size, right, up, forward, ggo, consolidation, lung; uniform vec2 reach;
vec3 slope(vec3 at, vec3 mask) {
  vec2 d = vec2(1.5 / ${LONGEST}., 0.);
  return vec3(dot(texture(shares, at + d.xyy).rgb - texture(shares, at - d.xyy).rgb, mask),
    dot(texture(shares, at + d.yxy).rgb - texture(shares, at - d.yxy).rgb, mask),
    dot(texture(shares, at + d.yyx).rgb - texture(shares, at - d.yyx).rgb, mask));
}
void main() {
  vec3 from = right * point.x * reach.x + up * point.y * reach.y - 3. * forward;
  vec3 one = (-size - from) / forward, two = (size - from) / forward;
  vec3 low = min(one, two), high = max(one, two);
  float near = max(max(low.x, low.y), low.z), far = min(min(high.x, high.y), high.z);
  vec3 sum = vec3(0.); float clear = 1.;
  for (float t = near; t < far && clear > .02; t += 1.6 / ${LONGEST}.) {
    vec3 at = (from + t * forward) / size * .5 + .5, share = texture(shares, at).rgb;
    float lesion = share.g + share.b;
    if (lesion > .4) {
      float light = .35 + .65 * abs(dot(normalize(slope(at, vec3(0., 1., 1.)) + 1e-5), forward));
      vec3 hue = mix(ggo, consolidation, share.b / lesion) * light;
      sum += clear * .5 * hue; clear *= .5;
    } else if (share.r > .15) {
      vec3 normal = slope(at, vec3(1., 0., 0.)); float edge = length(normal);
      float rim = edge > .1 ? pow(1. - abs(dot(normal / edge, forward)), 2.) : 0.;
      float thick = min(.5, edge * (.02 + .10 * rim));
      sum += clear * thick * lung; clear *= 1. - thick;
    }
  }
  colour = vec4(sum, 1.);
}`;
var Body = class {
  constructor(volume, canvas, redraw) {
    this.volume = volume;
    this.canvas = canvas;
    this.scale = 0.5;
    this.reset();
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.held = [event.clientX, event.clientY];
    };
    canvas.onpointermove = (event) => {
      if (!this.held) return;
      this.turn -= (event.clientX - this.held[0]) / 120;
      this.tilt = Math.max(-1.5, Math.min(1.5, this.tilt + (event.clientY - this.held[1]) / 120));
      this.held = [event.clientX, event.clientY];
      redraw();
    };
    canvas.onpointerup = canvas.onpointercancel = () => {
      this.held = null;
      redraw();
    };
    canvas.onwheel = (event) => {
      event.preventDefault();
      this.zoom = Math.max(0.5, Math.min(6, this.zoom * Math.exp(-event.deltaY / 500)));
      redraw();
    };
  }
  reset() {
    this.turn = this.tilt = 0;
    this.zoom = 1.5;
  }
  forget() {
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
  draw(threshold) {
    const { canvas } = this;
    if (!(this.gl ??= canvas.getContext("webgl2", { preserveDrawingBuffer: true }))) return this._without();
    const scale = this.held ? this.scale : Math.max(0.5, this.scale), begun = performance.now(), { gl } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((v) => Math.max(1, Math.round(v * scale)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    if (!this.program) this._prepare();
    const key2 = `${this.volume.version} ${threshold}`;
    if (key2 !== this.key) this._load(threshold);
    this.key = key2;
    const [ct, st, ce, se] = [Math.cos(this.turn), Math.sin(this.turn), Math.cos(this.tilt), Math.sin(this.tilt)];
    this._set("right", [ct, st, 0]);
    this._set("forward", [-st * ce, ct * ce, -se]);
    this._set("up", [-st * se, ct * se, ce]);
    const radius = Math.hypot(...this.size) / this.zoom, aspect = width / height;
    gl.uniform2f(gl.getUniformLocation(this.program, "reach"), radius * Math.max(aspect, 1), radius * Math.max(1 / aspect, 1));
    gl.viewport(0, 0, width, height);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    const took = performance.now() - begun;
    this.scale = Math.max(0.15, Math.min(1, scale * Math.sqrt(FRAME / took)));
  }
  _set(name, [x, y, z]) {
    const { gl } = this;
    gl.uniform3f(gl.getUniformLocation(this.program, name), x || 1e-6, y || 1e-6, z || 1e-6);
  }
  _prepare() {
    const { gl } = this, program = this.program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "3D: no program");
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
    const corner = gl.getAttribLocation(program, "corner");
    gl.enableVertexAttribArray(corner);
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_3D, gl.createTexture());
    for (const [name, value] of [
      ["MIN_FILTER", "LINEAR"],
      ["MAG_FILTER", "LINEAR"],
      ["WRAP_S", "CLAMP_TO_EDGE"],
      ["WRAP_T", "CLAMP_TO_EDGE"],
      ["WRAP_R", "CLAMP_TO_EDGE"]
    ]) gl.texParameteri(gl.TEXTURE_3D, gl[`TEXTURE_${name}`], gl[value]);
    const { head } = this.volume, colours = { ggo: head.colours[0], consolidation: head.colours[1], lung: head.lung };
    for (const [name, colour] of Object.entries(colours)) this._set(name, colour.map((c) => c / 255));
  }
  /** Shares of lung, ground glass and consolidation in boxes of voxels, as a texture. */
  _load(threshold) {
    const { gl } = this, { shape, marks, head } = this.volume;
    const lengths = shape.map((n, axis) => n * head.spacing[axis]), longest = Math.max(...lengths);
    const small = shape.map((n, axis) => Math.max(1, Math.min(n, Math.round(LONGEST * lengths[axis] / longest))));
    const [slices, rows, columns] = small, sums = new Uint32Array(4 * slices * rows * columns);
    const place = (axis) => Int32Array.from({ length: shape[axis] }, (_, at) => Math.floor(at * small[axis] / shape[axis]));
    const [zs, ys, xs] = [0, 1, 2].map(place);
    for (let z = 0, from = 0; z < shape[0]; z++)
      for (let y = 0; y < shape[1]; y++) {
        const row = (zs[z] * rows + ys[y]) * columns;
        for (let x = 0; x < shape[2]; x++, from++) {
          const mark = marks[from], to = 4 * (row + xs[x]);
          sums[to + 3]++;
          if (!mark) continue;
          if (side(mark)) sums[to]++;
          if (level(mark) >= threshold) sums[to + 1 + dense(mark)]++;
        }
      }
    const shares = new Uint8Array(sums.length);
    for (let at = 0; at < sums.length; at += 4)
      for (let channel = 0; channel < 3; channel++) shares[at + channel] = 255 * sums[at + channel] / sums[at + 3];
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGBA8, columns, rows, slices, 0, gl.RGBA, gl.UNSIGNED_BYTE, shares);
    this.size = [2, 1, 0].map((axis) => lengths[axis] / longest / 2);
    this._set("size", this.size);
  }
  _without() {
    const { canvas } = this, context = canvas.getContext("2d");
    Object.assign(canvas, { width: canvas.clientWidth, height: canvas.clientHeight });
    context.fillStyle = "#fff";
    context.font = "15px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText("3D needs WebGL 2, which this browser does not offer.", canvas.width / 2, canvas.height / 2);
  }
};

// src/shapes.js
var SIX = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]];
var ALL = [-1, 0, 1].flatMap((z) => [-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x) => [z, y, x]))).filter((d) => d.some(Boolean));
var HAIR = 1e-6;
var clip = (value, low, high) => Math.max(low, Math.min(high, value));
function swept(volume, from, to, radius, plane) {
  const { shape, area: area2, head } = volume, { spacing } = head, columns = shape[2], found = [];
  const reach = spacing.map((step, axis) => axis === plane ? 0 : Math.floor(radius / step + HAIR));
  const [low, high] = [0, 1].map((end) => shape.map((length, axis) => {
    const at = end ? Math.max(from[axis], to[axis]) + reach[axis] : Math.min(from[axis], to[axis]) - reach[axis];
    return clip(at, 0, length - 1);
  }));
  const way = to.map((v, axis) => (v - from[axis]) * spacing[axis]), long = way.reduce((sum, v) => sum + v * v, 0);
  for (let z = low[0]; z <= high[0]; z++)
    for (let y = low[1]; y <= high[1]; y++)
      for (let x = low[2]; x <= high[2]; x++) {
        const d = [(z - from[0]) * spacing[0], (y - from[1]) * spacing[1], (x - from[2]) * spacing[2]];
        const along = long ? clip((d[0] * way[0] + d[1] * way[1] + d[2] * way[2]) / long, 0, 1) : 0;
        const away = Math.hypot(d[0] - along * way[0], d[1] - along * way[1], d[2] - along * way[2]);
        if (away <= radius + HAIR) found.push(z * area2 + y * columns + x);
      }
  return found;
}
function enclosed(volume, geometry, index, outline) {
  const { area: area2, shape } = volume, found = [];
  for (let y = 0; y < geometry.height; y++) {
    const crossings = outline.flatMap(([ax, ay], at) => {
      const [bx, by] = outline[(at + 1) % outline.length];
      return ay <= y !== by <= y ? [ax + (y - ay) / (by - ay) * (bx - ax)] : [];
    }).sort((a, b) => a - b);
    for (let pair = 0; pair < crossings.length; pair += 2)
      for (let x = Math.max(0, Math.ceil(crossings[pair])); x < Math.min(geometry.width, crossings[pair + 1]); x++) {
        const [z, row, column] = geometry.voxel(index, x, y);
        found.push(z * area2 + row * shape[2] + column);
      }
  }
  return found;
}
function flood(volume, seed, steps, accept) {
  const { shape, area: area2 } = volume, [slices, rows, columns] = shape;
  const seen = new Uint8Array(slices * area2), start = seed[0] * area2 + seed[1] * columns + seed[2];
  if (!accept(start, seed)) return [];
  const found = [start];
  seen[start] = 1;
  for (let next = 0; next < found.length; next++) {
    const at = found[next], z = Math.floor(at / area2), y = Math.floor((at - z * area2) / columns), x = at - z * area2 - y * columns;
    for (const [dz, dy, dx] of steps) {
      const [nz, ny, nx] = [z + dz, y + dy, x + dx];
      if (nz < 0 || ny < 0 || nx < 0 || nz >= slices || ny >= rows || nx >= columns) continue;
      const to = nz * area2 + ny * columns + nx;
      if (seen[to]) continue;
      seen[to] = 1;
      if (accept(to, [nz, ny, nx])) found.push(to);
    }
  }
  return found;
}
function grown(volume, seed, { low, high, within, lung }) {
  const { values, marks, head } = volume, { spacing, offset, step } = head;
  return flood(volume, seed, head.picture ? SIX.slice(2) : SIX, (at, voxel) => {
    const value = offset + step * values[at];
    if (value < low || value > high || lung && !(marks[at] >> 6)) return false;
    return Math.hypot(...voxel.map((v, axis) => (v - seed[axis]) * spacing[axis])) <= within + HAIR;
  });
}
function lesionAt(volume, voxel, threshold) {
  const { marks, head } = volume, steps = head.volumetric ? ALL : ALL.filter(([z]) => !z);
  return flood(volume, voxel, steps, (at) => level(marks[at]) >= threshold);
}
var classAt = (volume, at, threshold) => level(volume.marks[at]) >= threshold ? 1 + dense(volume.marks[at]) : 0;

// src/correct.js
var TOOLS = { b: "brush", e: "erase", o: "outline", g: "grow" };
var RIGHT_LUNG = 3;
var LEFT_LUNG = 4;
var [SMALLEST, LARGEST] = [0.5, 40];
var LESION = [32, 31, 31 | 32];
var Correct = class {
  constructor(viewer) {
    this.viewer = viewer;
    this.open = this.ball = false;
    this.target = 1;
    this.radius = 5;
    this.limits = { low: -700, high: 100, within: 30, lung: true };
    this.notice = "";
    this.forget();
  }
  /** The marks come anew: nothing can be undone any more. */
  forget() {
    this.done = [];
    this.undone = [];
    this.stroke = null;
  }
  get possible() {
    return this.viewer.volume.complete && !this.viewer.head.growing;
  }
  get tool() {
    return this.open && this.possible && Object.values(TOOLS).includes(this.viewer.tool) ? this.viewer.tool : null;
  }
  toggle() {
    this.open = !this.open;
    if (!this.open && Object.values(TOOLS).includes(this.viewer.tool)) this.viewer.tool = "window";
    this.viewer.set({});
  }
  set(change) {
    Object.assign(this, change);
    this.radius = Math.max(SMALLEST, Math.min(LARGEST, this.radius));
    this.viewer.set({});
  }
  /** A change of voxels begins; `mark` gives the new mark for an old one. */
  _begin(mark) {
    this.stroke = { mark, voxels: [], before: [], after: [], seen: /* @__PURE__ */ new Set(), reading: this.viewer.head.reading };
  }
  _add(voxels) {
    const { stroke } = this, { volume } = this.viewer;
    for (const voxel of voxels) {
      if (stroke.seen.has(voxel)) continue;
      stroke.seen.add(voxel);
      const before = volume.marks[voxel], after = stroke.mark(before);
      if (before === after) continue;
      stroke.voxels.push(voxel);
      stroke.before.push(before);
      stroke.after.push(after);
      volume.put(voxel, after);
    }
    volume.version++;
    this.viewer.draw();
  }
  _end() {
    const { voxels, before, after, reading } = this.stroke;
    this.stroke = null;
    if (voxels.length) {
      const change = { voxels: Uint32Array.from(voxels), before: Uint8Array.from(before), after: Uint8Array.from(after), reading };
      this.done.push(change);
      this.undone = [];
      this.notice = "";
      this.viewer.edits.queue(change);
    }
    this.viewer.set({});
  }
  /** The mark of a voxel that is given what is painted, or is freed of it. */
  _painter(free) {
    const { target } = this;
    if (target < RIGHT_LUNG) return (mark) => mark & 192 | LESION[free ? 0 : target];
    const lung = free ? 0 : target - RIGHT_LUNG + 1;
    return (mark) => mark & 63 | lung << 6;
  }
  _voxel(view, pixel) {
    return view.geometry.voxel(this.viewer.at[view.geometry.plane], ...pixel.map(Math.round));
  }
  /** The pointer goes down; true where a correction begins. */
  press(tool, view, pixel) {
    if (this.tool !== tool || !view.inside(pixel)) return false;
    this._begin(this._painter(tool === "erase"));
    this.last = this._voxel(view, pixel);
    if (tool === "outline") this.stroke.outline = { view, pixels: [pixel] };
    else if (tool === "grow") this._add(grown(this.viewer.volume, this.last, this.limits));
    else this._sweep(view, this.last);
    return true;
  }
  move(view, pixel) {
    const { stroke } = this;
    if (!stroke) return;
    if (stroke.outline) stroke.outline.pixels.push(pixel);
    else if (this.tool !== "grow") this._sweep(view, this._voxel(view, pixel));
    this.viewer.draw();
  }
  _sweep(view, to) {
    const plane = this.ball && this.viewer.head.volumetric ? null : view.geometry.plane;
    if (this.last[plane] !== to[plane]) this.last = to;
    this._add(swept(this.viewer.volume, this.last, to, this.radius, plane));
    this.last = to;
  }
  release() {
    const { stroke, viewer } = this;
    if (!stroke) return;
    if (stroke.outline) {
      const { view, pixels } = stroke.outline;
      this._add(enclosed(viewer.volume, view.geometry, viewer.at[view.geometry.plane], pixels));
    }
    this._end();
  }
  /** Accept ("a"), reject ("x") or re-class ("c") the lesion under the pointer, else the chosen one of the list. */
  lesion(what) {
    const { viewer } = this, { volume, threshold } = viewer, seeds = [];
    if (!this.possible || this.stroke) return;
    if (viewer.pointed) {
      const { view, x, y } = viewer.pointed, pixel = view.pixelAt(x, y);
      if (view.inside(pixel)) seeds.push(this._voxel(view, pixel));
    }
    if (viewer.head.lesions[viewer.chosen]) seeds.push(viewer.head.lesions[viewer.chosen].seed);
    const found = seeds.filter((seed) => volume.holds(seed)).map((seed) => lesionAt(volume, seed, threshold)).find((voxels) => voxels.length);
    if (!found) return;
    const kind = what === "x" ? () => 0 : what === "a" ? (mark) => 1 + dense(mark) : this._other(found);
    this._begin((mark) => mark & 192 | LESION[kind(mark)]);
    this._add(found);
    this._end();
  }
  /** The class that most of a lesion is not. */
  _other(voxels) {
    const { volume, threshold } = this.viewer;
    const solid = voxels.filter((at) => classAt(volume, at, threshold) === 2).length;
    const other = 2 * solid > voxels.length ? 1 : 2;
    return () => other;
  }
  undo() {
    this._turn(this.done, this.undone, true);
  }
  redo() {
    this._turn(this.undone, this.done, false);
  }
  _turn(from, to, back) {
    const { viewer } = this, { volume } = viewer;
    if (this.stroke || !this.possible || !from.length) return;
    const change = from.pop(), marks = back ? change.before : change.after;
    to.push(change);
    change.voxels.forEach((voxel, at) => volume.put(voxel, marks[at]));
    if (change.reading !== viewer.head.reading) volume.ask(new Set(Array.from(change.voxels, (at) => Math.floor(at / volume.area))));
    volume.version++;
    viewer.edits.queue({ voxels: change.voxels, before: back ? change.after : change.before, after: marks });
    viewer.set({});
  }
  /** What a key does while the bar is open; true where it does something. */
  key(name, event) {
    if (!this.open) return false;
    if (event.ctrlKey || event.metaKey) {
      if (name === "z") event.shiftKey ? this.redo() : this.undo();
      else if (name === "y") this.redo();
      else return false;
    } else if (name in TOOLS) this.viewer.set({ tool: TOOLS[name] });
    else if (["a", "x", "c"].includes(name)) this.lesion(name);
    else if (name === "[" || name === "]") this.set({ radius: this.radius * (name === "]" ? 1.25 : 0.8) });
    else if (name === "Escape" && this.tool) this.viewer.set({ tool: "window" });
    else return false;
    return true;
  }
  /** What is drawn over the slice: the brush under the pointer, or the outline so far. For `View.draw`. */
  draw(context, view, ratio) {
    const { sx, sy, x, y } = view.transform, place = ([px, py]) => [x + (px + 0.5) * sx, y + (py + 0.5) * sy];
    context.strokeStyle = "rgb(255, 235, 120)";
    context.lineWidth = ratio;
    context.beginPath();
    if (this.stroke?.outline?.view === view) {
      this.stroke.outline.pixels.forEach((pixel) => context.lineTo(...place(pixel)));
      context.closePath();
    } else if (this.viewer.pointed?.view === view && ["brush", "erase"].includes(this.tool)) {
      const { pixel } = view.geometry, at = view.pixelAt(this.viewer.pointed.x, this.viewer.pointed.y).map(Math.round);
      context.ellipse(...place(at), this.radius / pixel[0] * sx, this.radius / pixel[1] * sy, 0, 0, 2 * Math.PI);
    }
    context.stroke();
  }
};

// src/planes.js
var NAMES = ["Axial", "Coronal", "Sagittal"];
var ACROSS = [2, 2, 1];
var DOWN = [1, 0, 0];
var LETTERS = [["R", "L", "A", "P"], ["R", "L", "H", "F"], ["A", "P", "H", "F"]];
var Plane = class {
  constructor(head, plane) {
    this.plane = plane;
    this.shape = head.shape;
    this.width = head.shape[ACROSS[plane]];
    this.height = head.shape[DOWN[plane]];
    this.pixel = [head.spacing[ACROSS[plane]], head.spacing[DOWN[plane]]];
    this.letters = head.letters ? LETTERS[plane] : null;
  }
  /** Voxel (slice, row, column) of pixel (x, y) of slice `index`; fractions stay fractions. */
  voxel(index, x, y) {
    const voxel = [0, 0, 0];
    voxel[this.plane] = index;
    voxel[ACROSS[this.plane]] = x;
    voxel[DOWN[this.plane]] = this.plane ? this.height - 1 - y : y;
    return voxel;
  }
  /** The undo of `voxel`: pixel (x, y) that shows a voxel, whatever its slice. */
  at(voxel) {
    const y = voxel[DOWN[this.plane]];
    return [voxel[ACROSS[this.plane]], this.plane ? this.height - 1 - y : y];
  }
  /** Copy slice `index` of an array on the grid, pixel by pixel. */
  cut(array, index, into) {
    const [, rows, columns] = this.shape, area2 = rows * columns;
    if (!this.plane) return into.set(array.subarray(index * area2, (index + 1) * area2));
    const strides = [area2, columns, 1];
    const across = strides[ACROSS[this.plane]];
    let start = index * strides[this.plane] + (this.height - 1) * area2;
    for (let y = 0, to = 0; y < this.height; y++, start -= area2)
      for (let x = 0, from = start; x < this.width; x++, from += across) into[to++] = array[from];
  }
};
function millimetres(head, voxel) {
  return head.affine && [0, 1, 2].map((w) => voxel.reduce((sum, v, axis) => sum + head.affine[w][axis] * v, head.affine[w][3]));
}
function distance(head, from, to) {
  const [a, b] = head.affine ? [millimetres(head, from), millimetres(head, to)] : [from, to];
  return [Math.hypot(...a.map((v, at) => v - b[at])), head.affine ? "mm" : "px"];
}
function position(head, plane, index) {
  if (!head.volumetric) return "";
  const middle = head.full.map((length, axis) => (length - 1) / 2 - head.start[axis]);
  middle[plane] = index;
  return `, ${fixed(millimetres(head, middle)[2 - plane], 1)} mm`;
}
function numbered(head, plane, index) {
  return [head.start[plane] + index + 1, head.full[plane]];
}
function fixed(value, digits) {
  const shown = value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return Number(shown) === 0 ? shown.replace("-", "") : shown;
}

// src/draw.js
var LINE = 1.5;
function greys(head, [low, high]) {
  const table = new Uint32Array(98304), scale = 255 / Math.max(high - low, 1e-6);
  const [first, last] = { int16: [-32768, 32767], uint16: [0, 65535], uint8: [0, 255] }[head.kind];
  for (let v = first; v <= last; v++) {
    const grey = Math.max(0, Math.min(255, Math.round((head.offset + head.step * v - low) * scale)));
    table[v + 32768] = 4278190080 | grey * 65793;
  }
  return table;
}
var View = class {
  constructor(volume, plane, canvas) {
    this.volume = volume;
    this.canvas = canvas;
    this.geometry = new Plane(volume.head, plane);
    const { width, height } = this.geometry;
    this.image = surface(width, height);
    this.fill = surface(width, height);
    this.marks = new Uint8Array(width * height);
    this.values = new volume.values.constructor(width * height);
    this.reset();
  }
  reset() {
    this.zoom = 1;
    this.pan = [0, 0];
  }
  /** Canvas pixels: where the picture begins and how large one of its pixels is. */
  get transform() {
    const { width, height, pixel } = this.geometry;
    const { width: across, height: down } = this.canvas;
    const scale = this.zoom * Math.min(across / (width * pixel[0]), down / (height * pixel[1]));
    const [sx, sy] = [scale * pixel[0], scale * pixel[1]];
    return { sx, sy, x: (across - width * sx) / 2 + this.pan[0], y: (down - height * sy) / 2 + this.pan[1] };
  }
  /** Pixel (x, y) of the slice, with fractions, under a point of the window; its centre is whole. */
  pixelAt(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect(), ratio = this.canvas.width / (box.width || 1);
    const { sx, sy, x, y } = this.transform;
    return [((clientX - box.left) * ratio - x) / sx - 0.5, ((clientY - box.top) * ratio - y) / sy - 0.5];
  }
  inside([x, y]) {
    return x >= -0.5 && y >= -0.5 && x < this.geometry.width - 0.5 && y < this.geometry.height - 0.5;
  }
  /** Zoom by a factor, so that a point of the window keeps its place. */
  zoomBy(factor, clientX, clientY) {
    const [x, y] = this.pixelAt(clientX, clientY);
    this.zoom = Math.max(0.25, Math.min(40, this.zoom * factor));
    const [nx, ny] = this.pixelAt(clientX, clientY), { sx, sy } = this.transform;
    this.pan = [this.pan[0] + (nx - x) * sx, this.pan[1] + (ny - y) * sy];
  }
  draw(index, look, cross, measures) {
    const ratio = globalThis.devicePixelRatio || 1, { canvas, geometry, volume } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((v) => Math.max(1, Math.round(v * ratio)));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const key2 = `${index} ${volume.version}`;
    if (key2 !== this.key) {
      geometry.cut(volume.values, index, this.values);
      geometry.cut(volume.marks, index, this.marks);
      this.key = key2;
      this.grey = this.paths = this.painted = null;
    }
    const { sx, sy, x, y } = this.transform;
    this._grey(look);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.setTransform(sx, 0, 0, sy, x, y);
    context.drawImage(this.image.canvas, 0, 0);
    if (!look.hidden && look.style !== "off") {
      if (look.style === "fill") {
        this._fill(look);
        context.imageSmoothingEnabled = false;
        context.globalAlpha = look.opacity;
        context.drawImage(this.fill.canvas, 0, 0);
        context.globalAlpha = 1;
      }
      context.setTransform(1, 0, 0, 1, 0, 0);
      this._outlines(context, look, ratio);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (cross) this._cross(context, cross, ratio);
    for (const measure of measures) measure.draw(context, this, ratio);
    this._words(context, index, look, ratio);
  }
  _grey(look) {
    const window2 = look.window.join();
    if (this.grey === window2) return;
    if (this.windowed !== window2) this.table = greys(this.volume.head, look.window);
    this.windowed = this.grey = window2;
    const { pixels, values, table } = { ...this, pixels: this.image.pixels };
    for (let at = 0; at < values.length; at++) pixels[at] = table[values[at] + 32768];
    this.image.show();
  }
  /** Class of a mark as it is read now: 0 none, 1 ground glass, 2 consolidation. */
  _class(look) {
    const table = new Uint8Array(256);
    for (let mark = 0; mark < 256; mark++) {
      const kind = level(mark) >= look.threshold ? 1 + dense(mark) : 0;
      table[mark] = look.classes.includes(kind) ? kind : 0;
    }
    return table;
  }
  _fill(look) {
    const key2 = `${look.threshold} ${look.classes}`;
    if (this.painted === key2) return;
    this.painted = key2;
    const table = this._class(look), { pixels } = this.fill;
    const colours = [0, ...this.volume.head.colours].map((c) => c && 4278190080 | c[2] << 16 | c[1] << 8 | c[0]);
    for (let at = 0; at < pixels.length; at++) pixels[at] = colours[table[this.marks[at]]];
    this.fill.show();
  }
  _outlines(context, look, ratio) {
    const key2 = `${look.threshold} ${look.classes}`;
    if (this.paths?.key !== key2) {
      const classes = this._class(look);
      const sides = new Uint8Array(256).map((_, mark) => side(mark));
      this.paths = { key: key2, lesions: this._borders(classes), lungs: this._borders(sides) };
    }
    const { sx, sy, x, y } = this.transform, placed = new DOMMatrix([sx, 0, 0, sy, x, y]);
    const stroke = (path, [r, g, b], width) => {
      const moved = new Path2D();
      moved.addPath(path, placed);
      context.lineWidth = width * ratio;
      context.lineCap = "square";
      context.strokeStyle = `rgb(${r}, ${g}, ${b})`;
      context.stroke(moved);
    };
    const { colours, lung } = this.volume.head;
    if (look.lungs) this.paths.lungs.forEach((path) => stroke(path, lung, 1));
    if (look.style === "outline") this.paths.lesions.forEach((path, at) => stroke(path, colours[at], LINE));
  }
  /** The border of codes 1 and 2 of the slice along the edges of its pixels, as paths in pixels of the slice. */
  _borders(table) {
    const { width, height } = this.geometry, { marks } = this;
    const paths = [null, new Path2D(), new Path2D()];
    const line = (code2, x, y, toX, toY) => {
      if (!code2) return;
      paths[code2].moveTo(x, y);
      paths[code2].lineTo(toX, toY);
    };
    for (let y = 0, at = 0; y <= height; y++) {
      let left = 0;
      for (let x = 0; x <= width; x++) {
        const inside = x < width && y < height;
        const code2 = inside ? table[marks[at]] : 0;
        const above = x < width && y > 0 ? table[marks[(y - 1) * width + x]] : 0;
        if (code2 !== above) {
          line(code2, x, y, x + 1, y);
          line(above, x, y, x + 1, y);
        }
        if (code2 !== left) {
          line(code2, x, y, x, y + 1);
          line(left, x, y, x, y + 1);
        }
        left = code2;
        if (inside) at++;
      }
    }
    return paths.slice(1);
  }
  _cross(context, voxel, ratio) {
    const [px, py] = this.geometry.at(voxel), { sx, sy, x, y } = this.transform;
    const [cx, cy] = [x + (px + 0.5) * sx, y + (py + 0.5) * sy], gap = 12 * ratio;
    context.strokeStyle = "rgba(255, 235, 120, .8)";
    context.lineWidth = ratio;
    context.beginPath();
    for (const [ax, ay, bx, by] of [
      [0, cy, cx - gap, cy],
      [cx + gap, cy, this.canvas.width, cy],
      [cx, 0, cx, cy - gap],
      [cx, cy + gap, cx, this.canvas.height]
    ]) {
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
    }
    context.stroke();
  }
  _words(context, index, look, ratio) {
    const { width, height } = this.canvas, { head } = this.volume, edge = 8 * ratio;
    const small = width < 220 * ratio;
    const write = (text, x, y, align, base, size = 13) => {
      context.font = `${size * ratio}px system-ui, sans-serif`;
      Object.assign(context, { textAlign: align, textBaseline: base, lineWidth: 3 * ratio, lineJoin: "round" });
      context.strokeStyle = "#000";
      context.strokeText(text, x, y);
      context.fillStyle = "#fff";
      context.fillText(text, x, y);
    };
    const plane = this.geometry.plane, [number, count] = numbered(head, plane, index);
    const name = head.picture ? "Slice" : ["Axial", "Coronal", "Sagittal"][plane];
    write(small ? `${name} ${number}` : `${name} ${number} of ${count}${position(head, plane, index)}`, edge, edge, "left", "top");
    const [low, high] = look.window;
    if (!small) write(`W ${fixed(high - low, 0)}  L ${fixed((low + high) / 2, 0)}`, edge, height - edge, "left", "bottom", 12);
    if (!this.geometry.letters) return;
    const [left, right, top, bottom] = this.geometry.letters;
    write(left, edge, height / 2, "left", "middle", 15);
    write(right, width - edge, height / 2, "right", "middle", 15);
    write(top, width / 2, edge + (width < 420 * ratio ? 20 * ratio : 0), "center", "top", 15);
    write(bottom, width / 2, height - edge, "center", "bottom", 15);
  }
};
function surface(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true }), data = context.createImageData(width, height);
  return { canvas, pixels: new Uint32Array(data.data.buffer), show: () => context.putImageData(data, 0, 0) };
}

// src/edits.js
var REST = 30;
var PATIENCE = 4e3;
function code(before, after) {
  if (side(before) !== side(after)) return 4 + side(after);
  return byHand(after) ? level(after) ? 2 + dense(after) : 1 : 0;
}
function packed(changes) {
  const runs = [];
  for (const { voxels, before, after } of changes) {
    const sorted = Float64Array.from(voxels, (voxel, at) => voxel * 8 + code(before[at], after[at])).sort();
    let last = null;
    for (const each of sorted) {
      const voxel = Math.floor(each / 8), kind = each % 8;
      if (last && last[0] + last[1] === voxel && last[2] === kind) last[1]++;
      else runs.push(last = [voxel, 1, kind]);
    }
  }
  const bytes = new Uint8Array(4 + 9 * runs.length), view = new DataView(bytes.buffer), count = runs.length;
  view.setUint32(0, count, true);
  runs.forEach(([first, length, kind], at) => {
    view.setUint32(4 + 4 * at, first, true);
    view.setUint32(4 + 4 * (count + at), length, true);
    bytes[4 + 8 * count + at] = kind;
  });
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
var Edits = class {
  constructor(viewer) {
    this.viewer = viewer;
    this.waiting = [];
    this.sent = null;
    this.unload = (event) => this.busy && event.preventDefault();
    window.addEventListener("beforeunload", this.unload);
  }
  get busy() {
    return this.sent != null || this.waiting.length > 0;
  }
  queue(change) {
    this.waiting.push(change);
    this.send();
  }
  send() {
    clearTimeout(this.again);
    const { viewer } = this;
    if (!this.busy || !viewer.mounted) return;
    const now = performance.now(), wait = this.sent ? this.since + PATIENCE : now;
    if (now < wait || busy()) {
      this.again = setTimeout(() => this.send(), Math.max(REST, wait - now));
      return;
    }
    if (!this.sent) {
      const number = Math.floor(Math.random() * 2 ** 31);
      this.sent = { number, base: viewer.volume.revision, runs: packed(this.waiting) };
      this.waiting = [];
    }
    this.since = now;
    ask(() => viewer.send.trigger("edit", this.sent));
    this.again = setTimeout(() => this.send(), PATIENCE);
  }
  /** Take note of a message; why the marks that are here are not those of the corrections any more, where they are not. */
  heard({ revision, change, refused }) {
    const { volume } = this.viewer, ours = this.sent != null && change === this.sent.number;
    const lost = this.sent != null && refused === this.sent.number, stale = !ours && revision !== volume.revision;
    if (ours || lost) this.sent = null;
    if (lost) this.waiting = [];
    volume.revision = revision;
    if (lost) return "Corrected in another window meanwhile: the last change was not taken over, and this is how it is now.";
    return stale ? "" : null;
  }
  leave() {
    clearTimeout(this.again);
  }
  forget() {
    window.removeEventListener("beforeunload", this.unload);
  }
};

// src/bar.js
var NAMES2 = { brush: "Brush", erase: "Erase", outline: "Outline", grow: "Grow" };
var TIPS = {
  brush: "Paint (B)",
  erase: "Take away what is painted (E)",
  outline: "Draw round something: it is filled when the pointer is let go (O)",
  grow: "Click: what is joined to it within the HU limits is marked (G)"
};
var Bar = class {
  constructor(panel) {
    const { viewer } = panel, { head } = viewer, correct = this.correct = viewer.correct;
    this.viewer = viewer;
    const tool = (name) => panel.button(NAMES2[name], TIPS[name], () => viewer.set({ tool: name }), () => correct.tool === name);
    const target = (text, title, code2, colour) => {
      const button = panel.button(text, title, () => correct.set({ target: code2 }), () => correct.target === code2);
      button.prepend(h("i", { style: `background: ${rgb(colour)}` }));
      return button;
    };
    const shape = (text, title, ball) => panel.button(text, title, () => correct.set({ ball }), () => correct.ball === ball);
    const unit = head.affine ? "mm" : "px";
    this.size = this._number("Radius", unit, 0.5, 40, 0.5, (radius) => correct.set({ radius }));
    const limit = (name, text, after) => this._number(text, after, -32768, 65535, 1, (value) => this._limit({ [name]: value }));
    this.low = limit("low", "From", "");
    this.high = limit("high", "to", head.step === 1 ? head.unit : `${head.unit}, in steps of ${head.step}`);
    this.within = limit("within", "within", unit);
    this.lung = h("input", { type: "checkbox", onchange: () => this._limit({ lung: this.lung.checked }) });
    this.grow = h("div", { className: "limits" }, this.low.row, this.high.row, this.within.row, h("label", {}, this.lung, " in the lungs"));
    this.brush = h(
      "div",
      { className: "limits" },
      panel.group("Shape of the brush", shape("Disc", "Paints the slice on screen", false), ...head.volumetric ? [shape("Ball", "Paints in 3D", true)] : []),
      this.size.row
    );
    this.undo = panel.button("Undo", "Ctrl + Z", () => correct.undo());
    this.redo = panel.button("Redo", "Ctrl + Shift + Z", () => correct.redo());
    this.state = h("output", { className: "state" });
    const tools = h(
      "div",
      { className: "tools", role: "toolbar", "aria-label": "Corrections" },
      panel.group("How to correct", ...Object.values(TOOLS).map(tool)),
      panel.group(
        "What is painted",
        target(head.shortNames[1], head.classNames[1], 1, head.colours[0]),
        target(head.shortNames[2], head.classNames[2], 2, head.colours[1]),
        target("Right lung", "The patient's right lung", RIGHT_LUNG, head.lung),
        target("Left lung", "The patient's left lung", LEFT_LUNG, head.lung)
      ),
      this.brush,
      this.grow,
      panel.group(
        "This lesion",
        panel.button("Accept", "The chosen lesion stays at any threshold (A: the one under the pointer)", () => correct.lesion("a")),
        panel.button("Reject", "The chosen lesion is none (X: the one under the pointer)", () => correct.lesion("x")),
        panel.button("Other class", "The chosen lesion is of the other class (C: the one under the pointer)", () => correct.lesion("c"))
      ),
      panel.group("Steps", this.undo, this.redo)
    );
    this.root = h("div", { className: "correct", hidden: true }, tools, this.state);
  }
  _limit(change) {
    this.correct.set({ limits: { ...this.correct.limits, ...change } });
  }
  _number(before, after, min, max, step, chosen) {
    const input = h("input", { type: "number", min, max, step, "aria-label": before });
    input.onchange = () => input.validity.valid && input.value !== "" && chosen(Number(input.value));
    return { input, row: h("label", {}, `${before} `, input, ` ${after}`) };
  }
  update() {
    const { correct, viewer } = this, { limits, tool } = correct;
    this.root.hidden = !correct.open;
    this.brush.hidden = tool !== "brush" && tool !== "erase";
    this.grow.hidden = tool !== "grow";
    for (const button of this.root.querySelectorAll("button")) button.disabled = !correct.possible;
    this.undo.disabled ||= !correct.done.length;
    this.redo.disabled ||= !correct.undone.length;
    const values = [[this.size, correct.radius], ...["low", "high", "within"].map((name) => [this[name], limits[name]])];
    for (const [{ input }, value] of values) if (document.activeElement !== input) input.value = Math.round(value * 10) / 10;
    this.lung.checked = limits.lung;
    this.state.textContent = this._state(viewer);
  }
  _state({ head, edits, correct }) {
    if (!correct.possible) return "Possible as soon as the whole result is here.";
    if (edits.busy || head.corrections.told !== head.corrections.revision) return "On its way to the numbers ...";
    return correct.notice || head.corrections.text;
  }
};

// src/measures.js
var COLOUR = "rgb(255, 235, 120)";
var Measure = class {
  constructor(view, index, from) {
    this.plane = view.geometry.plane;
    this.index = index;
    this.from = this.to = from;
  }
  get empty() {
    return Math.hypot(this.to[0] - this.from[0], this.to[1] - this.from[1]) < 0.5;
  }
  draw(context, view, ratio) {
    const { sx, sy, x, y } = view.transform;
    const place = ([px, py]) => [x + (px + 0.5) * sx, y + (py + 0.5) * sy];
    const [from, to] = [place(this.from), place(this.to)];
    context.strokeStyle = context.fillStyle = COLOUR;
    context.lineWidth = 1.5 * ratio;
    context.beginPath();
    this.trace(context, from, to);
    context.stroke();
    context.font = `${13 * ratio}px system-ui, sans-serif`;
    Object.assign(context, { textAlign: "left", textBaseline: "bottom" });
    this.lines(view).forEach((line, at) => {
      const [tx, ty] = [Math.max(from[0], to[0]) + 6 * ratio, Math.min(from[1], to[1]) + 16 * ratio * (at + 1)];
      context.strokeStyle = "#000";
      context.lineWidth = 3 * ratio;
      context.strokeText(line, tx, ty);
      context.fillText(line, tx, ty);
    });
  }
};
var Ruler = class extends Measure {
  trace(context, from, to) {
    context.moveTo(...from);
    context.lineTo(...to);
  }
  lines(view) {
    const [from, to] = [this.from, this.to].map(([x, y]) => view.geometry.voxel(this.index, x, y));
    const [length, unit] = distance(view.volume.head, from, to);
    return [`${fixed(length, 1)} ${unit}`];
  }
};
var Region = class extends Measure {
  trace(context, from, to) {
    const [rx, ry] = [Math.abs(to[0] - from[0]) / 2, Math.abs(to[1] - from[1]) / 2];
    context.ellipse((from[0] + to[0]) / 2, (from[1] + to[1]) / 2, rx, ry, 0, 0, 2 * Math.PI);
  }
  /** Mean, standard deviation and number of the values whose pixel centres lie inside. */
  statistics(view) {
    const [cx, cy] = [(this.from[0] + this.to[0]) / 2, (this.from[1] + this.to[1]) / 2];
    const [rx, ry] = [Math.abs(this.to[0] - this.from[0]) / 2, Math.abs(this.to[1] - this.from[1]) / 2];
    let count = 0, sum = 0, squares = 0;
    for (let y = Math.ceil(cy - ry); y <= cy + ry; y++)
      for (let x = Math.ceil(cx - rx); x <= cx + rx; x++) {
        if (!view.inside([x, y]) || ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 > 1) continue;
        const value = view.volume.value(view.geometry.voxel(this.index, x, y));
        if (value == null) continue;
        count++;
        sum += value;
        squares += value * value;
      }
    const mean = sum / count;
    return { count, mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
  }
  lines(view) {
    const { count, mean, deviation } = this.statistics(view), { unit, affine } = view.volume.head;
    if (!count) return [];
    const [across, down] = view.geometry.pixel;
    const size = affine ? `${fixed(count * across * down, 0)} mm²` : `${fixed(count, 0)} px`;
    return [`mean ${fixed(mean, 0)} ${unit}`, `SD ${fixed(deviation, 0)}, ${size}`];
  }
};

// src/pointer.js
var WHEEL = 40;
var STEPS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 };
var HELP = [
  ["wheel, arrows, Page up and down, Home, End", "slice"],
  ["left drag", "window: to the right wider, down darker; or the tool that is chosen"],
  ["right drag, Ctrl + wheel", "zoom"],
  ["middle drag, Shift + left drag", "move"],
  ["click", "crosshair there"],
  ["double click", "one plane large, all planes again"],
  ["N, P", "next and previous lesion, biggest first"],
  ["M", "slice with the most lesion"],
  ["H held down", "no overlay"],
  ["F", "fill or outline"],
  ["Space", "play or stop"],
  ["Delete", "remove rulers and regions"],
  ["B, E, O, G", "Correct: brush, eraser, outline, grow; Esc: none of them"],
  ["[, ]", "Correct: smaller and larger brush"],
  ["A, X, C", "Correct: accept, reject, re-class the lesion under the pointer, or else the chosen one"],
  ["Ctrl + Z, Ctrl + Shift + Z", "Correct: undo, redo"],
  ["0", "reset window, zoom and place"]
];
function pointerOn(viewer, view) {
  const { canvas } = view;
  let drag = null, turned = 0;
  canvas.oncontextmenu = (event) => event.preventDefault();
  canvas.onwheel = (event) => {
    event.preventDefault();
    if (event.ctrlKey) {
      view.zoomBy(Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
      return viewer.draw();
    }
    turned += event.deltaMode ? event.deltaY * WHEEL : event.deltaY;
    const steps = Math.abs(event.deltaY) >= WHEEL ? Math.sign(event.deltaY) : Math.trunc(turned / WHEEL);
    if (!steps) return;
    turned = 0;
    viewer.step(view.geometry.plane, -steps);
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    const held = { 1: "move", 2: "zoom" }[event.button];
    const tool = held ?? (event.shiftKey ? "move" : event.ctrlKey ? "zoom" : viewer.tool);
    drag = { tool, x: event.clientX, y: event.clientY, moved: false };
    const kind = { ruler: Ruler, region: Region }[tool];
    const pixel = view.pixelAt(event.clientX, event.clientY);
    drag.stroke = viewer.correct.press(tool, view, pixel);
    if (kind && view.inside(pixel)) {
      drag.measure = new kind(view, viewer.at[view.geometry.plane], pixel);
      viewer.measures.push(drag.measure);
    }
    event.preventDefault();
    viewer.root.focus({ preventScroll: true });
  };
  canvas.onpointermove = (event) => {
    viewer.pointed = { view, x: event.clientX, y: event.clientY };
    if (drag?.stroke) viewer.correct.move(view, view.pixelAt(event.clientX, event.clientY));
    else if (drag) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      drag.moved ||= Math.hypot(dx, dy) > 3;
      if (drag.moved) {
        Object.assign(drag, { x: event.clientX, y: event.clientY });
        dragged(viewer, view, drag, dx, dy, event);
      }
    }
    viewer.tell();
    if (viewer.correct.tool) viewer.draw();
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (drag?.stroke) viewer.correct.release();
    if (drag?.measure?.empty) viewer.measures.splice(viewer.measures.indexOf(drag.measure), 1);
    const pixel = view.pixelAt(event.clientX, event.clientY);
    if (drag && !drag.stroke && !drag.moved && event.button === 0 && view.inside(pixel)) {
      viewer.goTo(view.geometry.voxel(viewer.at[view.geometry.plane], ...pixel).map(Math.round), view.geometry.plane);
    }
    drag = null;
    viewer.draw();
  };
  canvas.onpointerleave = () => {
    viewer.pointed = null;
    viewer.draw();
  };
  canvas.ondblclick = () => viewer.setLayout(viewer.layout === "All" ? view.geometry.plane : "All");
}
function dragged(viewer, view, drag, dx, dy, event) {
  const ratio = view.canvas.width / (view.canvas.clientWidth || 1);
  if (drag.measure) drag.measure.to = view.pixelAt(event.clientX, event.clientY);
  else if (drag.tool === "zoom") view.zoomBy(Math.exp(-dy / 150), event.clientX, event.clientY);
  else if (drag.tool === "move") view.pan = [view.pan[0] + dx * ratio, view.pan[1] + dy * ratio];
  else {
    const [low, high] = viewer.window, step = viewer.volume.head.range / 1e3;
    const width = Math.max(4 * step, high - low + dx * 2 * step), centre = (low + high) / 2 + dy * 2 * step;
    viewer.setWindow([centre - width / 2, centre + width / 2]);
  }
  viewer.draw();
}
function key(viewer, event, up) {
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (name === "h") {
    viewer.hidden = !up;
    viewer.draw();
    return true;
  }
  if (!up && viewer.correct.key(name, event)) return true;
  if (up || event.ctrlKey || event.metaKey || event.altKey) return false;
  const plane = viewer.active;
  if (name in STEPS) viewer.step(plane, STEPS[name]);
  else if (name === "Home") viewer.go(plane, 0);
  else if (name === "End") viewer.go(plane, Infinity);
  else if (name === "n") viewer.lesion(1);
  else if (name === "p") viewer.lesion(-1);
  else if (name === "m") viewer.worst();
  else if (name === "f") viewer.setStyle(viewer.style === "fill" ? "outline" : "fill");
  else if (name === " ") viewer.play();
  else if (name === "0") viewer.reset();
  else if (name === "Delete" || name === "Backspace") viewer.clear();
  else return false;
  return true;
}

// src/words.js
var area = (head, voxels) => head.pixelMm2 ? `${fixed(voxels * head.pixelMm2, 0)} mm²` : `${fixed(voxels, 0)} px`;
var amount = (head, voxels) => head.voxelMl ? `${fixed(voxels * head.voxelMl, 1)} ml` : area(head, voxels);
var percent = (part, whole) => whole ? `${fixed(100 * part / whole, 1)} %` : "–";
function describe(viewer, plane) {
  const { head, at, volume } = viewer, [number, count] = numbered(head, plane, at[plane]);
  const slice = `${plane ? `${NAMES[plane]} slice` : "Slice"} ${number} of ${count}`;
  if (head.growing) {
    const state = volume.ready[at[0]] ? "overlay while others still wait" : "not segmented yet";
    return `${slice}, ${volume.previewed[at[0]] ? "a first look at its overlay" : state}`;
  }
  if (!volume.held[at[0]]) return `${slice}, on its way`;
  if (viewer.style === "off") return `${slice}, without overlay`;
  if (volume.marked[at[0]] == null) return `${slice}, overlay on its way`;
  if (plane) return `${slice}, with overlay`;
  const { lesions } = volume.sum(plane, at[plane], viewer.threshold);
  const loads = [1, 2].map((code2) => {
    return `${head.classNames[code2]} ${area(head, lesions[0][code2] + lesions[1][code2] + lesions[2][code2])}`;
  });
  return `${slice}, with overlay: ${loads.join(", ")}`;
}
function under(viewer, { view, x, y }) {
  const pixel = view.pixelAt(x, y), { head, volume } = viewer;
  if (!view.inside(pixel)) return "";
  const voxel = view.geometry.voxel(viewer.at[view.geometry.plane], ...pixel).map(Math.round);
  const value = volume.value(voxel), mark = volume.mark(voxel), mm = millimetres(head, voxel);
  const kind = level(mark) >= viewer.threshold ? 1 + dense(mark) : 0;
  return [
    value == null ? "" : `${Math.round(value)} ${head.unit}`,
    head.classNames[kind] ?? "",
    byHand(mark) ? "by a person" : "",
    head.lungNames[side(mark)] ?? "",
    mm ? `${mm.map((v) => v.toFixed(1)).join(", ")} mm (L, P, H)` : "",
    `slice ${numbered(head, 0, voxel[0])[0]}`
  ].filter(Boolean).join(" · ");
}

// src/panel.js
var ALONG = ["from the feet to the head", "from front to back", "from the patient's right to the left"];
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}
var rgb = ([r, g, b]) => `rgb(${r}, ${g}, ${b})`;
var Panel = class {
  constructor(viewer) {
    this.viewer = viewer;
    this.pressed = [];
    this.canvases = NAMES.map(() => h("canvas", { role: "img" }));
    this.body = h("canvas", { role: "img", "aria-label": "Lungs and lesions in 3D; drag to turn" });
    this.readout = h("output", { className: "under" });
    this.stage = h("div", { className: "stage" }, ...this.canvases, this.body, this.readout);
    this.load = h("canvas", { className: "load", role: "img", onclick: (event) => this._loadClicked(event) });
    this.slider = h("input", { type: "range", min: 1, step: 1 });
    this.slider.oninput = () => viewer.go(this.along, Number(this.slider.value) - 1 - viewer.head.start[this.along]);
    this.numbers = h("p", { className: "numbers", role: "status" });
    this.table = h("table");
    this.list = h("ol", { className: "lesions" });
    this.threshold = this._slider(
      "Infection from probability",
      (at, done) => viewer.setThreshold(viewer.head.levels[at], done),
      "From this probability on a pixel counts as lesion. The networks do not run again."
    );
    this.smallest = this._slider(
      "Smallest lesion in a slice",
      (size, done) => viewer.setSmallest(size, done),
      "Lesions that are smaller in a slice are left out everywhere, as soon as it is let go."
    );
    Object.assign(this.smallest.input, { max: 200, step: 5 });
    this.help = h("dl", { className: "help", hidden: true }, ...HELP.flatMap(([keys, what]) => [h("dt", {}, keys), h("dd", {}, what)]));
    this.root = h(
      "section",
      { className: "infnet-volume", tabIndex: 0, "aria-label": "Volume viewer" },
      h("div", { className: "above" }, this._tools(), (this.bar = new Bar(this)).root, this.help),
      h("div", { className: "picture" }, this.stage, h("div", { className: "along" }, this.load, this.slider)),
      h("aside", {}, this.numbers, this.threshold.row, this.smallest.row, this.table, h("h2", {}, "Lesions"), this.list)
    );
  }
  /** The plane that the slider moves through. */
  get along() {
    const { layout, active } = this.viewer;
    return typeof layout === "number" ? layout : active;
  }
  button(text, title, onclick, on) {
    const button = h("button", { type: "button", title, onclick }, text);
    if (on) this.pressed.push([button, on]);
    return button;
  }
  group(name, ...children) {
    return h("div", { className: "group", role: "group", "aria-label": name }, ...children);
  }
  _tools() {
    const { viewer } = this, { head } = viewer;
    const layouts = head.picture ? [] : [["Axial", 0], ["Coronal", 1], ["Sagittal", 2], ["All", "All"], ["3D", "3D"]];
    const tools = [["Window", "window"], ["Move", "move"], ["Zoom", "zoom"], ["Ruler", "ruler"], ["Region", "region"]];
    const styles = [["Outline", "outline"], ["Fill", "fill"], ["Off", "off"]];
    const classes = [1, 2].map((code2) => {
      const toggle = () => viewer.set({ classes: [1, 2].filter((c) => c === code2 !== viewer.classes.includes(c)) });
      const button = this.button(head.shortNames[code2], head.classNames[code2], toggle, () => viewer.classes.includes(code2));
      button.prepend(h("i", { style: `background: ${rgb(head.colours[code2 - 1])}` }));
      return button;
    });
    const lungs = this.button("Lung borders", "Border of each lung", () => viewer.set({ lungs: !viewer.lungs }), () => viewer.lungs);
    lungs.prepend(h("i", { style: `background: ${rgb(head.lung)}` }));
    return h(
      "div",
      { className: "tools", role: "toolbar", "aria-label": "Viewer tools" },
      this.group("Planes", ...layouts.map(([text, layout]) => {
        return this.button(text, `${text}`, () => viewer.setLayout(layout), () => viewer.layout === layout);
      })),
      this.group("What dragging does", ...tools.map(([text, tool]) => {
        return this.button(text, `Left drag: ${text.toLowerCase()}`, () => viewer.set({ tool }), () => viewer.tool === tool);
      })),
      this.group("Window", ...head.windows.map(({ name, range }) => {
        return this.button(name, `${range[0]} to ${range[1]}`, () => viewer.setWindow(range), () => `${viewer.window}` === `${range}`);
      })),
      this.group("Lesions as", ...styles.map(([text, style]) => {
        return this.button(text, `Overlay: ${text.toLowerCase()}`, () => viewer.setStyle(style), () => viewer.style === style);
      })),
      this.group("Marks", ...classes, lungs),
      this.group(
        "Actions",
        this.button("Play", "Play through the slices (Space)", () => viewer.play(), () => viewer.playing != null),
        this.button("Most lesion", "The slice with the most lesion (M)", () => viewer.worst()),
        this.button("Reset", "Window, zoom and place (0)", () => viewer.reset()),
        this.button("Full screen", "Full screen, and back", () => viewer.fullScreen()),
        this.button("Pictures", "The viewer with heat map, stages, HU bands and two models side by side", () => {
          viewer.send.trigger("set", { viewer: "Pictures", slice: numbered(viewer.head, 0, viewer.at[0])[0] });
        }),
        this.button("Correct", "Brush, eraser, and what else mends the marks", () => viewer.correct.toggle(), () => viewer.correct.open),
        this.button("Keys", "What keys and mouse do", () => {
          this.help.hidden = !this.help.hidden;
          this.update();
        }, () => !this.help.hidden)
      )
    );
  }
  /** A slider with its name and its value: {input, shown, row}. */
  _slider(name, moved, title) {
    const input = h("input", { type: "range", min: 0, step: 1, "aria-label": name }), shown = h("output");
    input.oninput = () => moved(Number(input.value), false);
    input.onchange = () => moved(Number(input.value), true);
    return { input, shown, row: h("label", { className: "threshold", title }, h("span", {}, `${name} `), shown, input) };
  }
  _set({ input, shown }, value, text, disabled) {
    if (document.activeElement !== input || Number(input.value) !== value) input.value = value;
    shown.textContent = text;
    input.setAttribute("aria-valuetext", text);
    input.disabled = disabled;
  }
  /** What follows settings and messages. */
  update() {
    const { viewer } = this, { head, volume, layout } = viewer;
    for (const [button, on] of this.pressed) button.setAttribute("aria-pressed", String(Boolean(on())));
    this.canvases.forEach((canvas, plane) => canvas.hidden = layout !== plane && layout !== "All");
    this.body.hidden = layout !== "3D" && layout !== "All";
    this.stage.dataset.layout = layout;
    this.threshold.input.max = head.levels.length - 1;
    this._set(this.threshold, head.levels.indexOf(viewer.shownThreshold), fixed(viewer.shownThreshold, 2), head.growing);
    this._set(this.smallest, viewer.shownSmallest, `${viewer.shownSmallest} ${head.pixelMm2 ? "mm²" : "px"}`, head.growing);
    this.bar.update();
    const { lungs, lesions } = volume.sum(0, null, viewer.threshold);
    const lesion = lesions.flat().reduce((a, b) => a + b), lung = lungs[1] + lungs[2];
    const inside = lesions.slice(1).flat().reduce((a, b) => a + b);
    const part = volume.complete ? "" : head.growing ? " so far" : " of what is here so far";
    this.numbers.setAttribute("aria-live", part ? "off" : "polite");
    this.numbers.textContent = `Lesion ${amount(head, lesion)}, ${percent(inside, lung)} of the lungs${part}`;
    const byPerson = head.lesions.map(({ seed }) => volume.holds(seed) && byHand(volume.mark(seed)));
    const listed = JSON.stringify([head.lesions, byPerson]);
    if (listed !== this.listed) this._list(head, byPerson);
    this.listed = listed;
    [...this.list.querySelectorAll("button")].forEach((each, at) => {
      each.setAttribute("aria-pressed", String(at === viewer.chosen));
      if (at === viewer.chosen) this.list.scrollTop = Math.max(0, each.parentElement.offsetTop - this.list.clientHeight / 2);
    });
    this.loadKey = null;
    this._slide();
  }
  _list(head, byPerson) {
    this.viewer.chosen = -1;
    this.list.replaceChildren(...head.lesions.map(({ size, lung, voxel, dense: dense2 }, at) => {
      const place = `${size}, ${lung}, slice ${numbered(head, 0, voxel[0])[0]}, ${dense2} consolidation`;
      const title = byPerson[at] ? "Accepted or drawn by a person" : "";
      return h("li", {}, h("button", { type: "button", title, onclick: () => this.viewer.showLesion(at) }, `${byPerson[at] ? "✓ " : ""}${place}`));
    }));
  }
  /** The range of the slider, and where it stands. */
  _slide() {
    const { slider, along, viewer } = this, { head, at } = viewer;
    const [number, count] = numbered(head, along, at[along]), place = position(head, along, at[along]);
    slider.min = head.start[along] + 1;
    slider.max = head.start[along] + viewer.volume.shape[along];
    slider.value = number;
    slider.setAttribute("aria-label", head.picture ? "Slice" : `Slice, ${ALONG[along]}`);
    slider.setAttribute("aria-valuetext", `${number} of ${count}${place}`);
  }
  /** What follows the slice on screen. */
  follow() {
    const { viewer, along } = this, { at } = viewer;
    this._slide();
    const key2 = `${along} ${viewer.threshold} ${viewer.volume.version} ${this.load.clientWidth}`;
    if (key2 !== this.loadKey) this.bars = viewer.volume.loads(along, viewer.threshold);
    if (key2 !== this.loadKey || this.loadAt !== at[along]) this._load(at[along]);
    this.loadKey = key2;
    this.loadAt = at[along];
    this._table(along, at[along]);
  }
  /** Bars of ground glass and consolidation for each slice, under the slider's own way. */
  _load(now) {
    const { load, bars } = this, { head } = this.viewer, ratio = devicePixelRatio || 1;
    load.width = Math.max(1, load.clientWidth * ratio);
    load.height = Math.max(1, load.clientHeight * ratio);
    const context = load.getContext("2d"), wide = load.width / bars.length;
    const highest = Math.max(1, ...bars.map(([a, b]) => a + b));
    context.fillStyle = "rgba(128, 140, 150, .5)";
    context.fillRect(now * wide, 0, Math.max(wide, 2 * ratio), load.height);
    bars.forEach((parts, k) => {
      let base = load.height;
      for (const kind of [1, 0]) {
        const tall = 0.96 * load.height * parts[kind] / highest;
        context.fillStyle = rgb(head.colours[kind]);
        context.fillRect(k * wide, base - tall, Math.max(wide * 0.88, 1), tall);
        base -= tall;
      }
    });
    const most = bars.reduce((best, [a, b], k) => a + b > bars[best][0] + bars[best][1] ? k : best, 0);
    const [number, count] = numbered(head, this.along, most);
    const alt = bars[most][0] + bars[most][1] ? `Lesion along ${count} slices; most in slice ${number}` : "No lesion in any slice";
    load.setAttribute("aria-label", alt);
  }
  _loadClicked(event) {
    const box = this.load.getBoundingClientRect();
    this.viewer.go(this.along, Math.floor((event.clientX - box.left) / box.width * this.bars.length));
  }
  /** Lesion of the slice on screen, by lung and class. */
  _table(plane, index) {
    const { viewer } = this, { head } = viewer, { lungs, lesions } = viewer.volume.sum(plane, index, viewer.threshold);
    if (plane && head.affine) head.planeMm2 ??= [head.spacing[1] * head.spacing[2], head.spacing[0] * head.spacing[2], head.spacing[0] * head.spacing[1]];
    const unit = plane && head.planeMm2 ? { pixelMm2: head.planeMm2[plane] } : head;
    const rows = [[head.lungNames[1], [1]], [head.lungNames[2], [2]], ["both", [0, 1, 2]]].map(([name, sides]) => {
      const [ggo, dense2] = [1, 2].map((code2) => sides.reduce((sum, s) => sum + lesions[s][code2], 0));
      const lung = sides.reduce((sum, s) => sum + (s ? lungs[s] : 0), 0);
      const inside = sides.reduce((sum, s) => sum + (s ? lesions[s][1] + lesions[s][2] : 0), 0);
      return [name, area(unit, ggo), area(unit, dense2), percent(inside, lung)];
    });
    const text = JSON.stringify(rows);
    if (text === this.tabled) return;
    this.tabled = text;
    const heads = ["This slice", head.shortNames[1], head.shortNames[2], "Share"];
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ...rows.map(([name, ...cells]) => h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((c) => h("td", {}, c)))))
    );
  }
};

// src/questions.js
var LOOK = 700;
var REST2 = 30;
var PATIENCE2 = 4e3;
var Questions = class {
  constructor(viewer) {
    this.viewer = viewer;
    this.asked = null;
    this.since = -Infinity;
  }
  /** Take note of a message. */
  heard(head) {
    const { growing } = this.viewer.head;
    if (head.blocks?.answers === this.asked || growing !== head.growing) this.asked = null;
  }
  ask() {
    clearTimeout(this.again);
    const { viewer } = this, want = viewer.volume.want(viewer.at[0]);
    const wait = this.asked != null ? this.since + PATIENCE2 : want ? 0 : viewer.head.running ? this.since + LOOK : null;
    if (wait == null) return;
    const now = performance.now();
    if (now < wait || busy() || viewer.edits.busy) {
      this.again = setTimeout(() => this.ask(), Math.max(REST2, wait - now));
      return;
    }
    this.asked = Math.floor(Math.random() * 2 ** 31);
    this.since = now;
    const question = { ...want, reading: viewer.head.reading, at: viewer.at[0], number: this.asked };
    ask(() => viewer.send.state("want", question));
    this.again = setTimeout(() => this.ask(), PATIENCE2);
  }
  leave() {
    clearTimeout(this.again);
    this.asked = null;
  }
};

// src/viewer.js
var PLAY = 12;
var Viewer = class {
  constructor(head) {
    this.volume = new Volume(head);
    this.at = head.shape.map((length) => length >> 1);
    this.moved = this.hidden = false;
    this.layout = this.active = 0;
    this.tool = "window";
    this.window = head.windows[0].range;
    this.style = "outline";
    this.classes = [1, 2];
    this.lungs = true;
    this.opacity = 0.45;
    this.measures = [];
    this.questions = new Questions(this);
    this.edits = new Edits(this);
    this.correct = new Correct(this);
    this.chosen = -1;
    this.panel = new Panel(this);
    this.root = this.panel.root;
    this.views = this.panel.canvases.map((canvas, plane) => new View(this.volume, plane, canvas));
    this.views.forEach((view) => pointerOn(this, view));
    this.body = new Body(this.volume, this.panel.body, () => this.draw());
    this.update(head);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.panel.stage);
  }
  get head() {
    return this.volume.head;
  }
  /** How many of the levels a probability must reach, to count as lesion. */
  get threshold() {
    return 1 + this.head.levels.indexOf(this.shownThreshold);
  }
  get look() {
    const { window: window2, style, classes, lungs, opacity, hidden, threshold } = this;
    return { window: window2, style, classes, lungs, opacity, hidden, threshold };
  }
  /** A new message: settings as Python has them, and blocks of slices. */
  update(head, blocks = []) {
    this.questions.heard(head);
    const stale = this.edits.heard(head.corrections);
    if (stale != null) {
      this.correct.forget();
      this.correct.notice = stale;
      this.volume.ask();
    }
    this.volume.update(head);
    this.volume.take(blocks);
    if (this.awaited === head.taken) this.awaited = null;
    const free = !this.dragging && this.awaited == null;
    if (free) Object.assign(this, { shownThreshold: head.threshold, shownSmallest: head.smallest });
    if (!this.moved) this.at[0] = head.initial;
    if (head.go && head.go[0] !== this.went) this._sent(head.go);
    this.panel.update();
    this.draw();
  }
  /** Another page leads to an axial slice, [question, index on the upright grid]. */
  _sent([question, index]) {
    this.went = question;
    if (this.layout !== "All") this.layout = this.active = 0;
    this.at[0] = Math.max(0, Math.min(this.volume.shape[0] - 1, index - this.head.start[0]));
    this.moved = true;
  }
  mount(send) {
    this.send = send;
    if (!this.mounted) {
      this.mounted = (event) => this._key(event);
      for (const kind of ["keydown", "keyup"]) window.addEventListener(kind, this.mounted, true);
    }
    this.questions.ask();
    this.edits.send();
    this.draw();
  }
  leave() {
    for (const kind of ["keydown", "keyup"]) window.removeEventListener(kind, this.mounted, true);
    this.mounted = null;
    clearInterval(this.playing);
    this.questions.leave();
    this.edits.leave();
    this.playing = null;
  }
  forget() {
    this.leave();
    this.edits.forget();
    this.resized.disconnect();
    this.body.forget();
    this.root.remove();
  }
  _key(event) {
    const field = event.target.closest?.("input, textarea, select"), slider = field?.type === "range";
    const typing = slider ? /^(Arrow|Page|Home|End)/.test(event.key) : field && field.type !== "checkbox";
    const pressing = event.target.closest?.("button") && [" ", "Enter"].includes(event.key);
    const ours = this.root.matches(":hover, :focus-within");
    if (ours && !typing && !pressing && key(this, event, event.type === "keyup")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }
  step(plane, by) {
    this.go(plane, this.at[plane] + by);
  }
  go(plane, index) {
    this.at[plane] = Math.max(0, Math.min(this.volume.shape[plane] - 1, index));
    this._moved(plane);
  }
  /** Put the crosshair on a voxel; `plane` keeps the keys. */
  goTo(voxel, plane = this.active) {
    this.at = voxel.map((v, axis) => Math.max(0, Math.min(this.volume.shape[axis] - 1, v)));
    this._moved(plane);
  }
  _moved(plane) {
    this.active = plane;
    this.moved = true;
    this.draw();
  }
  worst() {
    const plane = this.layout in [0, 1, 2] ? this.layout : 0;
    const loads = this.volume.loads(plane, this.threshold).map(([a, b]) => a + b);
    const most = loads.reduce((best, load, at) => load > loads[best] ? at : best, 0);
    if (loads[most]) this.go(plane, most);
  }
  lesion(by) {
    const { lesions } = this.head;
    if (lesions.length) this.showLesion((this.chosen + by + lesions.length + (this.chosen < 0 && by < 0 ? 1 : 0)) % lesions.length);
  }
  showLesion(index) {
    this.chosen = index;
    this.goTo(this.head.lesions[index].voxel, typeof this.layout === "number" ? this.layout : 0);
    this.panel.update();
  }
  play() {
    clearInterval(this.playing);
    const plane = this.active;
    this.playing = this.playing ? null : setInterval(() => {
      this.go(plane, this.at[plane] + 1 < this.volume.shape[plane] ? this.at[plane] + 1 : 0);
    }, 1e3 / PLAY);
    this.panel.update();
  }
  reset() {
    this.window = this.head.windows[0].range;
    this.views.forEach((view) => view.reset());
    this.body.reset();
    this.panel.update();
    this.draw();
  }
  clear() {
    this.measures.length = 0;
    this.draw();
  }
  set(change) {
    Object.assign(this, change);
    this.panel.update();
    this.draw();
  }
  setWindow(range) {
    this.set({ window: range });
  }
  setStyle(style) {
    this.set({ style });
  }
  setLayout(layout) {
    if (layout !== "3D" && layout !== "All") this.active = layout;
    this.set({ layout });
  }
  /** Move a threshold: the picture and its numbers follow at once, Python when it is let go. */
  setThreshold(value, done) {
    this._move({ shownThreshold: value }, done);
  }
  setSmallest(size, done) {
    this._move({ shownSmallest: size }, done);
  }
  /** Both go at once: where two changes meet on their way, Streamlit keeps the last. Answers to earlier ones are passed by. */
  _move(change, done) {
    this.set({ ...change, dragging: !done });
    if (!done) return;
    this.awaited = Math.floor(Math.random() * 2 ** 31);
    this.send.trigger("set", { threshold: this.shownThreshold, smallest: this.shownSmallest, number: this.awaited });
  }
  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }
  /** Draw once before the next picture of the screen, however much has changed. */
  draw() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = null;
      this._draw();
    });
  }
  _draw() {
    if (!this.root.isConnected) return;
    const look = this.look;
    for (const view of this.views) {
      const { plane } = view.geometry;
      if (view.canvas.hidden) continue;
      const measures = this.measures.filter((each) => each.plane === plane && each.index === this.at[plane]);
      view.draw(this.at[plane], look, this.layout === "All" ? this.at : null, [...measures, this.correct]);
      view.canvas.setAttribute("aria-label", describe(this, plane));
    }
    if (!this.panel.body.hidden && !this.correct.stroke) this.body.draw(this.threshold);
    this.panel.follow();
    this.tell();
    this.root.dataset.drawn = `${this.at} ${this.window} ${this.shownThreshold}`;
  }
  /** Say what lies under the pointer. */
  tell() {
    this.panel.readout.textContent = this.pointed ? under(this, this.pointed) : "";
  }
};

// src/main.js
var SWEEP = 2e3;
var open = globalThis.infnetVolume ??= { key: null, viewer: null };
var address = () => new URL(location).searchParams.get("case");
function forget() {
  clearInterval(open.sweep);
  open.viewer?.forget();
  open.key = open.viewer = null;
}
function unpack(data) {
  const start = 4 + new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, start)));
  let from = start;
  const blocks = head.blocks.list.map(({ what, slices, size }) => {
    from += size;
    return { what, slices, bytes: data.subarray(from - size, from) };
  });
  return { head, blocks };
}
function main_default({ data, parentElement, setStateValue, setTriggerValue }) {
  const { head, blocks } = unpack(data);
  if (open.key !== head.key) {
    forget();
    Object.assign(open, { key: head.key, viewer: new Viewer(head), address: address() });
    open.sweep = setInterval(() => {
      open.address ??= address();
      if (!busy() && address() !== open.address) forget();
    }, SWEEP);
  }
  const { viewer } = open;
  viewer.update(head, blocks);
  const place = parentElement.querySelector(".infnet-volume-place");
  if (viewer.root.parentElement !== place) place.replaceChildren(viewer.root);
  const send = { state: setStateValue, trigger: setTriggerValue };
  viewer.mount(send);
  return () => viewer.send === send && viewer.leave();
}
export {
  main_default as default
};
