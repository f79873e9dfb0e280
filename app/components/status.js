// Says to screen readers what changes: {text}, once, however often and on whatever page it is drawn again.
export default function ({ data, parentElement }) {
  const region = parentElement.querySelector("[role=status]"), said = (globalThis.infnetSaid ??= {})
  if (said[data.topic] !== data.text) region.textContent = said[data.topic] = data.text
}
