/** The kinds of destinations: what a person fills in for each. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Destination_Kind as Kind, type DestinationSchema } from "../gen/rota/automation/v1/destination_pb.js";

export type Settings = NonNullable<MessageInitShape<typeof DestinationSchema>["settings"]>;

export interface Input {
  /** As the contract names it. */
  name: string;
  label: string;
  help: string;
  secret?: boolean;
  optional?: boolean;
}

export interface KindForm {
  kind: Kind;
  /** The name of its settings in the contract. */
  name: string;
  label: string;
  /** Where its address comes from. */
  hint: string;
  inputs: Input[];
  /** The settings of what was filled in. */
  settings: (text: (name: string) => string) => Settings;
}

const URL_SECRET = "Stored encrypted, and never shown again";

export const KINDS: KindForm[] = [
  {
    kind: Kind.EMAIL,
    name: "email",
    label: "E-mail",
    hint: "The mail comes from this service. The address gets a code first, and takes results once you enter the code here.",
    inputs: [{ name: "address", label: "Address", help: "It gets a code first, which shows that you read it" }],
    settings: (text) => ({ case: "email", value: { address: text("address") } }),
  },
  {
    kind: Kind.SLACK,
    name: "slack",
    label: "Slack",
    hint: "At api.slack.com/apps create an app for your workspace, turn on Incoming Webhooks, and add one to the channel: it shows an address at https://hooks.slack.com/services/.",
    inputs: [{ name: "webhook_url", label: "Incoming webhook", help: URL_SECRET, secret: true }],
    settings: (text) => ({ case: "slack", value: { webhookUrl: text("webhook_url") } }),
  },
  {
    kind: Kind.DISCORD,
    name: "discord",
    label: "Discord",
    hint: "In the settings of the channel open Integrations, Webhooks, New Webhook, and copy its address. It is not the address of the channel.",
    inputs: [
      { name: "webhook_url", label: "Webhook", help: URL_SECRET, secret: true },
      { name: "thread_id", label: "Thread", help: "Its number; left out: the channel", optional: true },
    ],
    settings: (text) => ({ case: "discord", value: { webhookUrl: text("webhook_url"), threadId: text("thread_id") } }),
  },
  {
    kind: Kind.TEAMS,
    name: "teams",
    label: "Microsoft Teams",
    hint: "In the chat or channel open Workflows, choose the template that posts when a webhook request is received, and copy the address at its end.",
    inputs: [{ name: "webhook_url", label: "Workflow", help: `The address that it shows. ${URL_SECRET}`, secret: true }],
    settings: (text) => ({ case: "teams", value: { webhookUrl: text("webhook_url") } }),
  },
  {
    kind: Kind.TELEGRAM,
    name: "telegram",
    label: "Telegram",
    hint: "Send /newbot to @BotFather for a token, and add the bot to the group. The number of the chat is in chat.id of https://api.telegram.org/bot{token}/getUpdates.",
    inputs: [
      { name: "bot_token", label: "Bot token", help: "Stored encrypted, and never shown again", secret: true },
      { name: "chat_id", label: "Chat", help: "Its number, or @ and the name of a public channel" },
    ],
    settings: (text) => ({ case: "telegram", value: { botToken: text("bot_token"), chatId: text("chat_id") } }),
  },
  {
    kind: Kind.MATRIX,
    name: "matrix",
    label: "Matrix",
    hint: "Use an account of its own that is in the room. Element shows its token under All settings, Help & About, and the room under Room settings, Advanced.",
    inputs: [
      { name: "homeserver", label: "Server", help: "Such as https://matrix.example.org" },
      { name: "room_id", label: "Room", help: "Such as !abc:example.org" },
      { name: "access_token", label: "Access token", help: "Stored encrypted, and never shown again", secret: true },
    ],
    settings: (text) => ({
      case: "matrix",
      value: { homeserver: text("homeserver"), roomId: text("room_id"), accessToken: text("access_token") },
    }),
  },
  {
    kind: Kind.NTFY,
    name: "ntfy",
    label: "ntfy",
    hint: "Choose a topic that nobody guesses, and subscribe to it in the app.",
    inputs: [
      { name: "topic", label: "Topic", help: "Whoever knows it reads it: stored encrypted, and never shown again", secret: true },
      { name: "server", label: "Server", help: "Left out: https://ntfy.sh", optional: true },
      { name: "access_token", label: "Access token", help: "Where the topic needs one", secret: true, optional: true },
    ],
    settings: (text) => ({
      case: "ntfy",
      value: { server: text("server"), topic: text("topic"), accessToken: text("access_token") },
    }),
  },
  {
    kind: Kind.PUSHOVER,
    name: "pushover",
    label: "Pushover",
    hint: "Create an application at pushover.net/apps/build for its token; your user key is on pushover.net once you have signed in.",
    inputs: [
      { name: "app_token", label: "Application token", help: "Stored encrypted, and never shown again", secret: true },
      { name: "user_key", label: "User key", help: "Of a user or a group", secret: true },
      { name: "device", label: "Device", help: "Left out: all of them", optional: true },
    ],
    settings: (text) => ({
      case: "pushover",
      value: { appToken: text("app_token"), userKey: text("user_key"), device: text("device") },
    }),
  },
  {
    kind: Kind.WEBHOOK,
    name: "webhook",
    label: "Webhook",
    hint: "An endpoint of your own. It checks the signature of each message with the secret, as standardwebhooks.com describes.",
    inputs: [
      { name: "uri", label: "Address", help: "https, on the open internet" },
      { name: "signing_secret", label: "Signing secret", help: "Keep it now: it is stored encrypted, and never shown again" },
    ],
    settings: (text) => ({
      case: "webhook",
      value: {
        uri: text("uri"),
        signingSecret: text("signing_secret"),
        includeOutput: text("include_output") !== "",
      },
    }),
  },
];

export function labelOf(kind: Kind): string {
  return KINDS.find((each) => each.kind === kind)?.label ?? "";
}

/** A secret as standardwebhooks.com has them. */
export function newSigningSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}
