// Light or dark: the system's word unless the reader switched. Runs before the first paint, so it is no module.
(() => {
  'use strict';
  const storageKey = 'nodepass-theme';
  const order = ['system', 'light', 'dark'];
  const root = document.documentElement;

  /** Storage may be forbidden; the theme then lasts as long as the page. */
  function remembered() {
    try { return localStorage.getItem(storageKey); } catch { return null; }
  }

  function apply(theme) {
    if (theme === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll('[data-theme-switch]')) {
      button.title = `Theme: ${theme}`;
      button.setAttribute('aria-label', `Theme: ${theme}. Switch`);
    }
  }

  let theme = order.includes(remembered()) ? remembered() : 'system';
  apply(theme);

  document.addEventListener('DOMContentLoaded', () => {
    apply(theme);
    for (const button of document.querySelectorAll('[data-theme-switch]')) {
      button.addEventListener('click', () => {
        theme = order[(order.indexOf(theme) + 1) % order.length];
        try { localStorage.setItem(storageKey, theme); } catch { /* not remembered, still applied */ }
        apply(theme);
      });
    }
  });
})();
