/** The same thing asked again and again: a slow answer must not undo a later one. */

/** Call it with each question; what it gives, with the answer: false when a later one is there already. */
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
