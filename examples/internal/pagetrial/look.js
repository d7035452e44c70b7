'use strict';
// What the page looks like, for the tests: everything is told as a list of texts.

var shown = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && !e.closest('.hidden');
var named = (e) => e.id || e.dataset.attack || e.textContent.trim().slice(0, 30) || e.tagName;

// ---- contrast (WCAG 1.4.3: 4.5, of large text 3; 1.4.11: 3) ----

var rgba = (colour) => {
  const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
  return { r, g, b, a };
};
var over = (top, below) => ({
  r: top.r * top.a + below.r * (1 - top.a),
  g: top.g * top.a + below.g * (1 - top.a),
  b: top.b * top.a + below.b * (1 - top.a),
  a: 1,
});
var behind = (e) => {
  if (!e) return rgba(matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(18, 18, 18)' : 'rgb(255, 255, 255)');
  const colour = rgba(getComputedStyle(e).backgroundColor);
  return colour.a === 1 ? colour : over(colour, behind(e.parentElement));
};
var luminance = ({ r, g, b }) => {
  const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
var contrast = (a, b) => {
  const [x, y] = [luminance(a), luminance(b)].sort((m, n) => n - m);
  return (x + 0.05) / (y + 0.05);
};

// faint lists the texts, and the outlines of what can be used, that stand out too
// little. What is disabled need not.
var faint = () => {
  const found = [];
  let looked = 0;
  for (const e of document.body.querySelectorAll('*')) {
    if (!shown(e) || e.closest(':disabled') || e.closest('svg')) continue;
    const style = getComputedStyle(e);
    const text = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (text) {
      looked++;
      const ground = behind(e);
      const ratio = contrast(over(rgba(style.color), ground), ground);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
      if (ratio < (large ? 3 : 4.5)) found.push(`${named(e)}: ${ratio.toFixed(2)}`);
    }
    if (e.matches('input:not([type=checkbox]), button')) {
      looked++;
      const ground = behind(e.parentElement);
      const edge = contrast(over(rgba(style.borderTopColor), ground), ground);
      if (edge < 3) found.push(`the border of ${named(e)}: ${edge.toFixed(2)}`);
      const hint = contrast(rgba(getComputedStyle(e, '::placeholder').color), behind(e));
      if (e.placeholder && hint < 4.5) found.push(`the placeholder of ${named(e)}: ${hint.toFixed(2)}`);
    }
  }
  return looked < 10 ? [`only ${looked} texts were found`] : found;
};

// ---- keyboard ----

// controls lists what can be used, in the page's order.
var controls = () => [...document.querySelectorAll('a[href], button, input, [tabindex]')]
  .filter((e) => shown(e) && !e.disabled && e.tabIndex >= 0).map(named);

// focused names what has the focus, and complains if that cannot be seen.
var focused = () => {
  const e = document.activeElement;
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(e);
  const ground = behind(e.parentElement);
  if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2 || contrast(rgba(outlineColor), ground) < 3) {
    return `${named(e)}, which does not show it (${outlineWidth} ${outlineStyle} ${outlineColor})`;
  }
  return named(e);
};

// ---- narrow windows ----

// wide lists what reaches out of the window, and does not scroll by itself.
var wide = () => {
  const found = [...document.body.querySelectorAll('*')]
    .filter((e) => shown(e) && e.getBoundingClientRect().right > innerWidth + 0.5)
    .map((e) => `${named(e)}: up to ${Math.round(e.getBoundingClientRect().right)}`);
  if (document.scrollingElement.scrollWidth > innerWidth) found.push(`the page: ${document.scrollingElement.scrollWidth}`);
  return found;
};
