// The list from which values of a template variable are ticked.
import { h } from "./dom.js";

export function picker(variable, options, chosen, onChange) {
  const all = chosen.length === 0;
  const tick = (value, event) => {
    const next = event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value);
    onChange(next.length === options.length ? [] : next);
  };
  const line = (name, checked, onchange) => h("label", {}, h("input", { type: "checkbox", checked, onchange }), name);
  const missing = chosen.filter((value) => !options.includes(value));
  const details = h("details", { class: "pick" },
    h("summary", {}, h("b", {}, variable.label ?? variable.name), h("span", {}, all ? "All" : chosen.join(", "))),
    h("div", {},
      line("All", all, () => onChange([])),
      [...options, ...missing].map((value) => line(value, chosen.includes(value), (event) => tick(value, event))),
    ));
  // Changes are applied while the list is open; it closes on a click elsewhere and is drawn anew on the next refresh.
  addEventListener("pointerdown", (event) => { if (details.open && !details.contains(event.target)) details.open = false; });
  return details;
}
