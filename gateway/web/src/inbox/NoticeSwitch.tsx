/** Turns notifications of the browser on and off, and says what they can't do. */
import { notices, turnOff, turnOn } from "../lib/notify.js";
import { Icon } from "../ui/Icon.js";

export function NoticeSwitch() {
  switch (notices.value) {
    case "unable":
      return <p class="notice-switch faint">This browser shows no notifications for this address: it has to be https, or this machine.</p>;
    case "blocked":
      return <p class="notice-switch faint">Notifications are blocked for this address in the browser's settings.</p>;
    case "on":
      return (
        <p class="notice-switch">
          <span class="faint">This browser notifies you of results and of approvals that wait, while a tab of Rota is open, also a hidden one. With all tabs closed it can't.</span>
          <button type="button" class="quiet small" onClick={turnOff}>Turn notifications off</button>
        </p>
      );
    case "off":
      return (
        <p class="notice-switch">
          <span class="faint">Notifications of results and of approvals that wait, while a tab of Rota is open, also a hidden one.</span>
          <button type="button" class="quiet small" onClick={() => void turnOn()}><Icon name="bell" />Turn notifications on</button>
        </p>
      );
  }
}
