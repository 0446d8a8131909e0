/** The element of index.html with this id; a page without it is broken, so it throws. */
export function find<T extends HTMLElement>(id: string, type: abstract new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} #${id}.`);
  return found;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** `1 step`, `2 steps`. */
export const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;

/** Settings that a browser keeps for this page. Absent, full or forbidden storage is no storage. */
export const kept = {
  read<T>(key: string): T | undefined {
    try {
      return (JSON.parse(localStorage.getItem(`latentwire.${key}`) ?? 'null') as T | null) ?? undefined;
    } catch {
      return undefined;
    }
  },
  remove(key: string): void {
    try {
      localStorage.removeItem(`latentwire.${key}`);
    } catch {
      // Nothing was there.
    }
  },
  write(key: string, value: unknown): void {
    try {
      localStorage.setItem(`latentwire.${key}`, JSON.stringify(value));
    } catch {
      // Nothing is lost but the memory of it.
    }
  },
};
