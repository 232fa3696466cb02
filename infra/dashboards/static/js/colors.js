// Colours by name, by position and by threshold.

const PALETTE = {
  dark: ["#73bf69", "#f2cc0c", "#6ea6ff", "#ff9830", "#f2495c", "#b877d9", "#4fd1c5", "#ff85c0", "#a3c76d", "#9fa8da"],
  light: ["#3f9a35", "#c79b00", "#3274d9", "#e0700a", "#d92a40", "#9246b8", "#0f9488", "#d63a8b", "#6b8e23", "#5c6bc0"],
};
const NAMED = new Set(["green", "yellow", "orange", "red", "blue", "purple", "gray", "text"]);

export const theme = () => document.documentElement.dataset.theme;
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const named = (color) => (NAMED.has(color) ? css(color) : color);
export const nth = (index) => PALETTE[theme()][index % PALETTE[theme()].length];

export function alpha(color, share) {
  const hex = /^#(..)(..)(..)$/.exec(color);
  return hex ? `rgba(${hex.slice(1).map((part) => parseInt(part, 16)).join(", ")}, ${share})` : color;
}

/** The colour of the highest threshold that the value reaches. */
export function byThreshold(value, thresholds) {
  let color = "green";
  for (const step of thresholds?.steps ?? []) {
    if (step.value === null || step.value === undefined || value >= step.value) color = step.color;
  }
  return named(color);
}

/** {text, color} where the panel maps this very value to words. */
export function mapped(value, mappings) {
  for (const mapping of mappings ?? []) {
    const found = mapping.type === "value" ? mapping.options?.[String(value)] : undefined;
    if (found) return { text: found.text, color: found.color ? named(found.color) : undefined };
  }
  return null;
}

// Dark blue over green to red: few is dim, many is bright, on both themes.
const HEAT = [[48, 18, 59], [65, 69, 171], [57, 130, 238], [26, 190, 205], [63, 225, 133], [164, 250, 60], [232, 209, 48], [251, 140, 36], [220, 66, 12], [160, 20, 4]];

export function heat(share) {
  const at = Math.min(Math.max(share, 0), 1) * (HEAT.length - 1);
  const low = Math.floor(at), high = Math.min(low + 1, HEAT.length - 1), rest = at - low;
  const mix = HEAT[low].map((part, i) => Math.round(part + (HEAT[high][i] - part) * rest));
  return `rgb(${mix.join(", ")})`;
}
