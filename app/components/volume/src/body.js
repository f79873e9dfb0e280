// Lungs and lesions in 3D: rays through a small volume of shares of lung, ground glass and consolidation (WebGL 2).
import { dense, level, side } from "./store.js"

const LONGEST = 128 // voxels along the longest side of the small volume
const FRAME = 60 // ms that one picture may take while it is turned: slow machines draw it coarser
const VERTEX = `#version 300 es
in vec2 corner; out vec2 point;
void main() { point = corner; gl_Position = vec4(corner, 0., 1.); }`
// The small volume's axes are left, back, head; \`size\` is its half in units of the longest side.
const FRAGMENT = `#version 300 es
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
}`

export class Body {
  constructor(volume, canvas, redraw) {
    this.volume = volume
    this.canvas = canvas
    this.scale = 0.5
    this.reset()
    canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); this.held = [event.clientX, event.clientY] }
    canvas.onpointermove = (event) => {
      if (!this.held) return
      this.turn -= (event.clientX - this.held[0]) / 120
      this.tilt = Math.max(-1.5, Math.min(1.5, this.tilt + (event.clientY - this.held[1]) / 120))
      this.held = [event.clientX, event.clientY]
      redraw()
    }
    canvas.onpointerup = canvas.onpointercancel = () => { this.held = null; redraw() }
    canvas.onwheel = (event) => {
      event.preventDefault()
      this.zoom = Math.max(0.5, Math.min(6, this.zoom * Math.exp(-event.deltaY / 500)))
      redraw()
    }
  }

  reset() {
    this.turn = this.tilt = 0
    this.zoom = 1.5 // the lungs fill about two thirds of a scan
  }

  forget() {
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext()
  }

  draw(threshold) {
    const { canvas } = this
    if (!(this.gl ??= canvas.getContext("webgl2", { preserveDrawingBuffer: true }))) return this._without()
    const scale = this.held ? this.scale : Math.max(0.5, this.scale), begun = performance.now(), { gl } = this
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((v) => Math.max(1, Math.round(v * scale)))
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    if (!this.program) this._prepare()
    const key = `${this.volume.version} ${threshold}`
    if (key !== this.key) this._load(threshold)
    this.key = key
    const [ct, st, ce, se] = [Math.cos(this.turn), Math.sin(this.turn), Math.cos(this.tilt), Math.sin(this.tilt)]
    this._set("right", [ct, st, 0])
    this._set("forward", [-st * ce, ct * ce, -se])
    this._set("up", [-st * se, ct * se, ce])
    const radius = Math.hypot(...this.size) / this.zoom, aspect = width / height
    gl.uniform2f(gl.getUniformLocation(this.program, "reach"), radius * Math.max(aspect, 1), radius * Math.max(1 / aspect, 1))
    gl.viewport(0, 0, width, height)
    gl.drawArrays(gl.TRIANGLES, 0, 3)
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)) // waits until it is drawn
    const took = performance.now() - begun
    this.scale = Math.max(0.15, Math.min(1, scale * Math.sqrt(FRAME / took)))
  }

  _set(name, [x, y, z]) {
    const { gl } = this
    gl.uniform3f(gl.getUniformLocation(this.program, name), x || 1e-6, y || 1e-6, z || 1e-6)
  }

  _prepare() {
    const { gl } = this, program = (this.program = gl.createProgram())
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind)
      gl.shaderSource(shader, text)
      gl.compileShader(shader)
      gl.attachShader(program, shader)
    }
    gl.linkProgram(program)
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "3D: no program")
    gl.useProgram(program)
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer())
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW)
    const corner = gl.getAttribLocation(program, "corner")
    gl.enableVertexAttribArray(corner)
    gl.vertexAttribPointer(corner, 2, gl.FLOAT, false, 0, 0)
    gl.bindTexture(gl.TEXTURE_3D, gl.createTexture())
    for (const [name, value] of [["MIN_FILTER", "LINEAR"], ["MAG_FILTER", "LINEAR"], ["WRAP_S", "CLAMP_TO_EDGE"],
      ["WRAP_T", "CLAMP_TO_EDGE"], ["WRAP_R", "CLAMP_TO_EDGE"]]) gl.texParameteri(gl.TEXTURE_3D, gl[`TEXTURE_${name}`], gl[value])
    const { head } = this.volume, colours = { ggo: head.colours[0], consolidation: head.colours[1], lung: head.lung }
    for (const [name, colour] of Object.entries(colours)) this._set(name, colour.map((c) => c / 255))
  }

  /** Shares of lung, ground glass and consolidation in boxes of voxels, as a texture. */
  _load(threshold) {
    const { gl } = this, { shape, marks, head } = this.volume
    const lengths = shape.map((n, axis) => n * head.spacing[axis]), longest = Math.max(...lengths)
    const small = shape.map((n, axis) => Math.max(1, Math.min(n, Math.round((LONGEST * lengths[axis]) / longest))))
    const [slices, rows, columns] = small, sums = new Uint32Array(4 * slices * rows * columns)
    const place = (axis) => Int32Array.from({ length: shape[axis] }, (_, at) => Math.floor((at * small[axis]) / shape[axis]))
    const [zs, ys, xs] = [0, 1, 2].map(place)
    for (let z = 0, from = 0; z < shape[0]; z++)
      for (let y = 0; y < shape[1]; y++) {
        const row = (zs[z] * rows + ys[y]) * columns
        for (let x = 0; x < shape[2]; x++, from++) {
          const mark = marks[from], to = 4 * (row + xs[x])
          sums[to + 3]++
          if (!mark) continue
          if (side(mark)) sums[to]++
          if (level(mark) >= threshold) sums[to + 1 + dense(mark)]++
        }
      }
    const shares = new Uint8Array(sums.length)
    for (let at = 0; at < sums.length; at += 4)
      for (let channel = 0; channel < 3; channel++) shares[at + channel] = (255 * sums[at + channel]) / sums[at + 3]
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1)
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGBA8, columns, rows, slices, 0, gl.RGBA, gl.UNSIGNED_BYTE, shares)
    this.size = [2, 1, 0].map((axis) => lengths[axis] / longest / 2)
    this._set("size", this.size)
  }

  _without() {
    const { canvas } = this, context = canvas.getContext("2d")
    Object.assign(canvas, { width: canvas.clientWidth, height: canvas.clientHeight })
    context.fillStyle = "#fff"
    context.font = "15px system-ui, sans-serif"
    context.textAlign = "center"
    context.fillText("3D needs WebGL 2, which this browser does not offer.", canvas.width / 2, canvas.height / 2)
  }
}
