/** The focus of the keyboard: when the control that had it goes away, the nearest sensible place gets it. */

const REACHED = ["a[href]", "button:not(:disabled)", "input:not(:disabled)", "select:not(:disabled)", "textarea:not(:disabled)", "summary", "[tabindex='0']"]
  .map((each) => `${each}:not([tabindex='-1'])`)
  .join();

/** The elements around a control, from the inside, and where in each the next one stood. */
interface Held {
  element: HTMLElement;
  around: { element: Element; index: number }[];
  wasDisabled: boolean;
}

let held: Held | undefined;

/**
 * Looks after the focus from now on. A control that was only disabled gets the focus back once it is
 * enabled. For one that is gone, the innermost element around it with `data-next` has the selector of
 * the place to go on. Without one it is the first control where the one that is gone was, or else of
 * the nearest element before it. Focus that is elsewhere by then stays there.
 */
export function keepFocus(): void {
  addEventListener("focusin", ({ target }) => (held = target instanceof HTMLElement ? holdOf(target) : undefined));
  // Who presses elsewhere has left it.
  addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !held?.element.contains(target)) held = undefined;
  }, true);
  addEventListener("focusout", ({ target }) => requestAnimationFrame(() => {
    if (held?.element === target && isNowhere() && document.hasFocus() && held.element.isConnected && !held.element.matches(":disabled")) held = undefined;
  }));
  new MutationObserver(look).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
}

function look(): void {
  if (!held) return;
  const { element } = held;
  if (element.isConnected) {
    const isDisabled = element.matches(":disabled");
    const isBack = held.wasDisabled && !isDisabled;
    held = holdOf(element, isDisabled);
    if (isBack && isNowhere()) element.focus({ preventScroll: true });
    return;
  }
  // After what the screen itself does with the focus.
  const lost = held;
  requestAnimationFrame(() => {
    if (held !== lost) return;
    held = undefined;
    if (isNowhere()) nextTo(lost)?.focus({ preventScroll: true });
  });
}

function isNowhere(): boolean {
  return !document.activeElement || document.activeElement === document.body;
}

function holdOf(element: HTMLElement, wasDisabled = false): Held {
  const around: Held["around"] = [];
  for (let here: Element = element; here.parentElement; here = here.parentElement) {
    around.push({ element: here.parentElement, index: [...here.parentElement.children].indexOf(here) });
  }
  return { element, around, wasDisabled };
}

function nextTo({ around }: Held): HTMLElement | undefined {
  const main = document.querySelector<HTMLElement>("main");
  const named = around.map(({ element }) => element.isConnected && element instanceof HTMLElement && element.dataset.next).find(Boolean);
  const said = named ? document.querySelector<HTMLElement>(named) : undefined;
  if (said?.checkVisibility()) return said;
  for (const { element, index } of around) {
    if (!element.isConnected) continue;
    if (element.contains(main)) break; // another screen
    const children = [...element.children];
    const found = [...children.slice(index), ...children.slice(0, index).reverse()].flatMap(firstIn)[0];
    if (found) return found;
  }
  return main?.hasAttribute("tabindex") ? main : main?.querySelector<HTMLElement>(REACHED) ?? undefined;
}

function firstIn(element: Element): HTMLElement[] {
  const all = [element, ...element.querySelectorAll(REACHED)].filter((each): each is HTMLElement => each instanceof HTMLElement && each.matches(REACHED));
  return all.filter((each) => each.checkVisibility({ visibilityProperty: true })).slice(0, 1);
}
