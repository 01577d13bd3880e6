/** Order of repeated requests: a slow answer never replaces a later one. */

/** Returns a function for each request; its result, called at the answer, is false when a later answer came first. */
export function latest(): () => () => boolean {
  let [asked, answered] = [0, 0];
  return () => {
    const mine = ++asked;
    return () => {
      if (mine <= answered) return false;
      answered = mine;
      return true;
    };
  };
}
