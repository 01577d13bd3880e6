/** Order of repeated requests: a slow answer never replaces a later one. */

/** Call the result at each request, and what that returns at its answer: false if a later answer came first. */
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
