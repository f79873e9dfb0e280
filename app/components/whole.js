// Stands on every page, in no fragment: what asks by it has the whole page drawn again. See page.js, before this.
export default function ({ setTriggerValue }) {
  const whole = (page.whole = () => setTriggerValue("ask", Date.now()))
  return () => { if (page.whole === whole) page.whole = null }
}
