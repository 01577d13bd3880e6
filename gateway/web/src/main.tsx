/** Starts the page. */
import { render } from "preact";
import { App } from "./App.js";
import { keepFocus } from "./lib/focus.js";
import { startClock } from "./lib/now.js";
import { askForSession } from "./lib/tabs.js";
import { drawTexts } from "./ui/text.js";
import "./style/base.css";
import "./style/frame.css";
import "./style/chat.css";
import "./style/card.css";
import "./style/automations.css";
import "./style/inbox.css";

drawTexts();
startClock();
keepFocus();
askForSession();
render(<App />, document.getElementById("page")!);
