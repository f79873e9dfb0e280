// Planes of the upright grid as pictures: which axis runs across and down, where a pixel lies in the patient.
// 0 axial: patient's right on the left, front on top. 1 coronal: head on top. 2 sagittal: head on top, front on the left.
export const NAMES = ["Axial", "Coronal", "Sagittal"]
const ACROSS = [2, 2, 1], DOWN = [1, 0, 0]
const LETTERS = [["R", "L", "A", "P"], ["R", "L", "H", "F"], ["A", "P", "H", "F"]] // left, right, top, bottom

export class Plane {
  constructor(head, plane) {
    this.plane = plane
    this.shape = head.shape
    this.width = head.shape[ACROSS[plane]]
    this.height = head.shape[DOWN[plane]]
    this.pixel = [head.spacing[ACROSS[plane]], head.spacing[DOWN[plane]]] // mm across and down
    this.letters = head.letters ? LETTERS[plane] : null
  }

  /** Voxel (slice, row, column) of pixel (x, y) of slice `index`; fractions stay fractions. */
  voxel(index, x, y) {
    const voxel = [0, 0, 0]
    voxel[this.plane] = index
    voxel[ACROSS[this.plane]] = x
    voxel[DOWN[this.plane]] = this.plane ? this.height - 1 - y : y
    return voxel
  }

  /** The undo of `voxel`: pixel (x, y) that shows a voxel, whatever its slice. */
  at(voxel) {
    const y = voxel[DOWN[this.plane]]
    return [voxel[ACROSS[this.plane]], this.plane ? this.height - 1 - y : y]
  }

  /** Copy slice `index` of an array on the grid, pixel by pixel. */
  cut(array, index, into) {
    const [, rows, columns] = this.shape, area = rows * columns
    if (!this.plane) return into.set(array.subarray(index * area, (index + 1) * area))
    const strides = [area, columns, 1]
    const across = strides[ACROSS[this.plane]]
    let start = index * strides[this.plane] + (this.height - 1) * area
    for (let y = 0, to = 0; y < this.height; y++, start -= area)
      for (let x = 0, from = start; x < this.width; x++, from += across) into[to++] = array[from]
  }
}

/** LPS mm of a voxel (slice, row, column); null without geometry. */
export function millimetres(head, voxel) {
  return head.affine && [0, 1, 2].map((w) => voxel.reduce((sum, v, axis) => sum + head.affine[w][axis] * v, head.affine[w][3]))
}

/** Distance of two voxels: [length, unit]. */
export function distance(head, from, to) {
  const [a, b] = head.affine ? [millimetres(head, from), millimetres(head, to)] : [from, to]
  return [Math.hypot(...a.map((v, at) => v - b[at])), head.affine ? "mm" : "px"]
}

/** Where slice `index` of a plane lies: ", 12.5 mm"; "" where that is not known. Its centre, as everywhere else. */
export function position(head, plane, index) {
  if (!head.volumetric) return ""
  const middle = head.full.map((length, axis) => (length - 1) / 2 - head.start[axis])
  middle[plane] = index
  return `, ${fixed(millimetres(head, middle)[2 - plane], 1)} mm`
}

/** The number that people call slice `index` of a plane by, and how many there are. */
export function numbered(head, plane, index) {
  return [head.start[plane] + index + 1, head.full[plane]]
}

export function fixed(value, digits) {
  const shown = value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return Number(shown) === 0 ? shown.replace("-", "") : shown
}
