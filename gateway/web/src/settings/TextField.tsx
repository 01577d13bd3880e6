/** A field of a form for what a service is reached with. */

export function TextField(props: {
  id: string;
  name: string;
  label: string;
  help: string;
  wrong: string | undefined;
  type?: string;
  required?: boolean | undefined;
  maxLength?: number;
  value?: string;
}) {
  const hint = `${props.id}-help`;
  return (
    <div class={props.wrong ? "field wrong" : "field"}>
      <label for={props.id}>{props.label}</label>
      <input id={props.id} name={props.name} type={props.type ?? "text"} defaultValue={props.value} required={props.required} maxLength={props.maxLength ?? 500} spellcheck={false} autocomplete={props.type === "password" ? "new-password" : "off"} aria-invalid={props.wrong ? "true" : undefined} aria-describedby={hint} />
      <span id={hint} class="help">{props.wrong ? <span class="error">{props.wrong}</span> : props.help}</span>
    </div>
  );
}
