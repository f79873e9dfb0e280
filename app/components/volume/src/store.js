// What the browser holds of a study: its values, and one byte of marks a voxel, on the upright grid (slice, row,
// column). Both come in blocks of slices, in any order.
//
// A mark: bits 0-4 how many of the thresholds in `head.levels` the probability reaches, bit 5 consolidation, bits 6-7
// lung (1 right, 2 left). So every threshold that can be chosen is exact to the voxel, and nothing runs again. What a person
// has corrected holds at every threshold: a lesion has level 31; where there is none, bit 5 is set and the level is 0.
const TYPES = { int16: Int16Array, uint16: Uint16Array, uint8: Uint8Array }
const BLOCK = 4 << 20 // bytes of values asked for at once
const CODES = 256

export const level = (mark) => mark & 31
export const dense = (mark) => (mark >> 5) & 1
export const side = (mark) => mark >> 6
export const byHand = (mark) => level(mark) === 31 || (mark & 63) === 32

export class Volume {
  constructor(head) {
    this.shape = head.shape
    const [slices, rows, columns] = head.shape
    this.area = rows * columns
    this.values = new TYPES[head.kind](slices * this.area)
    if (head.kind === "int16") this.values.fill(-32768) // black until they are here
    this.marks = new Uint8Array(slices * this.area)
    this.held = new Uint8Array(slices) // 1 where the values of a slice are here
    this.marked = new Array(slices).fill(null) // which reading the marks of a slice are of
    // Voxels by mark, for each slice of each plane: all numbers, at any threshold, are sums of these.
    this.counts = head.shape.map((length) => new Int32Array(length * CODES))
    this.version = 0
    this.revision = head.corrections.revision // of the corrections that the marks hold
    this.update(head)
  }

  update(head) {
    this.head = head
    this.ready = new Uint8Array(this.shape[0])
    this.previewed = new Uint8Array(this.shape[0]) // 1 where only a first look is here: marks that will come again
    for (const [from, to] of head.ready) this.ready.fill(1, from, to)
    for (const [from, to] of head.previewed) this.previewed.fill(1, from, to)
  }

  /** Which marks slice `z` ought to have now. */
  _due(z) {
    return this.head.reading + (this.previewed[z] ? " previewed" : "")
  }

  /** Take in the blocks of a message, each {what, slices, bytes}. */
  take(blocks) {
    for (const { what, slices, bytes } of blocks) {
      const type = what === "values" ? this.values.constructor : Uint8Array
      const block = new type(bytes.slice().buffer)
      slices.forEach((z, at) => {
        const slice = block.subarray(at * this.area, (at + 1) * this.area)
        if (what === "values") {
          this.values.set(slice, z * this.area)
          this.held[z] = 1
        } else this._mark(z, slice)
      })
      this.version++
    }
  }

  _mark(z, slice) {
    const { area, marks } = this, start = z * area
    for (let at = 0; at < area; at++) if (marks[start + at] !== slice[at]) this.put(start + at, slice[at])
    this.marked[z] = this.ready[z] ? this._due(z) : null // asked for as a first look that has been wiped meanwhile
  }

  /** Give a voxel (flat) another mark; `version` is the caller's. */
  put(voxel, mark) {
    const { area, marks } = this, [axial, coronal, sagittal] = this.counts, columns = this.shape[2]
    const z = Math.floor(voxel / area), row = Math.floor((voxel - z * area) / columns), column = voxel - z * area - row * columns
    for (const [kind, by] of [[marks[voxel], -1], [mark, 1]]) {
      if (!kind) continue
      axial[z * CODES + kind] += by
      coronal[row * CODES + kind] += by
      sagittal[column * CODES + kind] += by
    }
    marks[voxel] = mark
  }

  /** The marks of slices, of all where none are named, are to be asked for again. */
  ask(slices = this.marked.keys()) {
    for (const z of slices) this.marked[z] = null
  }

  /** Which slices to ask for next, nearest to slice `z` first; null where everything is here. */
  want(z) {
    const near = [...this.held.keys()].sort((a, b) => Math.abs(a - z) - Math.abs(b - z))
    const most = Math.max(1, Math.floor(BLOCK / (this.area * this.values.BYTES_PER_ELEMENT)))
    const values = near.filter((k) => !this.held[k]).slice(0, most)
    const marks = near.filter((k) => this.ready[k] && this.marked[k] !== this._due(k)).slice(0, 4 * most)
    return values.length || marks.length ? { values, marks } : null
  }

  get complete() {
    return this.held.every(Boolean) && this.marked.every((m) => m === this.head.reading)
  }

  /** The value (HU or grey) of a voxel; null where it is not here yet. */
  value([z, row, column]) {
    if (!this.held[z]) return null
    return this.head.offset + this.head.step * this.values[z * this.area + row * this.shape[2] + column]
  }

  holds(voxel) {
    return voxel.every((v, axis) => v >= 0 && v < this.shape[axis])
  }

  mark([z, row, column]) {
    return this.marks[z * this.area + row * this.shape[2] + column]
  }

  /** Voxels of slice `index` of a plane, of all slices where it is null: {lungs: [none, right, left], lesions: [side][class]}. */
  sum(plane, index, threshold) {
    const counts = this.counts[plane]
    const [first, last] = index == null ? [0, this.shape[plane]] : [index, index + 1]
    const lungs = [0, 0, 0], lesions = [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
    for (let k = first; k < last; k++)
      for (let mark = 1; mark < CODES; mark++) {
        const count = counts[k * CODES + mark]
        if (!count) continue
        lungs[side(mark)] += count
        if (level(mark) >= threshold) lesions[side(mark)][1 + dense(mark)] += count
      }
    return { lungs, lesions }
  }

  /** [ggo, consolidation] voxels of each slice of a plane. */
  loads(plane, threshold) {
    const counts = this.counts[plane], loads = []
    for (let k = 0; k < this.shape[plane]; k++) {
      const load = [0, 0]
      for (let mark = 1; mark < CODES; mark++) {
        if (counts[k * CODES + mark] && level(mark) >= threshold) load[dense(mark)] += counts[k * CODES + mark]
      }
      loads.push(load)
    }
    return loads
  }
}
