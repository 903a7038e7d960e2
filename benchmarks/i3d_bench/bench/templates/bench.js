"use strict";
const theme = document.getElementById("theme");
const darkByDefault = matchMedia("(prefers-color-scheme: dark)");
function isDark() { return (document.documentElement.dataset.theme ?? (darkByDefault.matches ? "dark" : "light")) === "dark"; }
function nameTheme() { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `${theme.textContent} page`); }
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
darkByDefault.addEventListener("change", nameTheme);
nameTheme();
