/** The sign-in form for a person without a token. */
import { useState } from "preact/hooks";
import { linkFault, refusal, signIn } from "./lib/session.js";

export function SignIn() {
  const [text, write] = useState("");
  const [wrong, blame] = useState("");
  const why = wrong || linkFault.value || refusal.value;
  return (
    <main class="signin">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!signIn(text)) blame("That is not a token: three parts with dots between them.");
        }}
      >
        <h1 class="brand">Rota</h1>
        <p>Chat that schedules work: say it, approve it, it runs.</p>
        <label for="token">Your token</label>
        <textarea
          id="token"
          rows={4}
          required
          autocomplete="off"
          spellcheck={false}
          value={text}
          aria-invalid={why !== ""}
          aria-describedby="token-help"
          onInput={(event) => write(event.currentTarget.value)}
        />
        {why && <p class="error" role="alert">{why}</p>}
        <button type="submit" class="primary">Sign in</button>
        <p id="token-help" class="faint">
          <code>make run</code> prints an address that signs you in;{" "}
          <code>.venv/bin/python -m devstack token</code> prints a token. It stays in the tabs of this browser until the last is closed.
        </p>
      </form>
    </main>
  );
}
