/** A message that is on its way, kept over a reload until the service has taken it. */
const KEY = "rota.saying";

export interface Saying {
  thread: string;
  text: string;
  modelConfigId: string;
  requestId: string;
  timeZone: string;
}

export function remember(saying: Saying): void {
  sessionStorage.setItem(KEY, JSON.stringify(saying));
}

export function remembered(): Saying | undefined {
  const text = sessionStorage.getItem(KEY);
  return text ? JSON.parse(text) : undefined;
}

/** With an id: only if it is that one. */
export function forget(requestId = ""): void {
  if (!requestId || remembered()?.requestId === requestId) sessionStorage.removeItem(KEY);
}
