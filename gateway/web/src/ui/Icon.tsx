/** Decorative icons; the text beside them has the meaning. */
const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  plus: "M12 5v14M5 12h14",
  send: "M5 12h13M12.5 6l6 6-6 6",
  stop: "M7 7h10v10H7z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M6 6l12 12M18 6L6 18",
  chat: "M4 6.5h16v10.5H11l-4.5 3.5V17H4z",
  inbox: "M4 13l2.5-7.5h11L20 13v5.5H4zM4 13h4.5l1.5 2.5h4l1.5-2.5H20",
  mail: "M4 6h16v12H4zM4 6.500l8 6.500 8-6.500",
  bell: "M6.500 16.500h11l-1.500-2.500v-3.500a4 4 0 0 0-8 0V14zM10.500 19h3",
  clock: "M12 7.5V12l3 2M12 3.8a8.2 8.2 0 1 0 0 16.4 8.2 8.2 0 0 0 0-16.4z",
  pause: "M9 6v12M15 6v12",
  skip: "M6 6l8 6-8 6zM17.5 6v12",
  play: "M8 5.5l10.5 6.5L8 18.5z",
  pencil: "M4.5 19.5l1-4.2L16 4.8l3.2 3.2L8.7 18.5zM13.8 7l3.2 3.2",
  chevron: "M9 6l6 6-6 6",
  back: "M15 6l-6 6 6 6",
  tool: "M14.5 6.2a4 4 0 0 0-5 5L4.5 16.300a1.900 1.900 0 0 0 2.700 2.700l5.100-5a4 4 0 0 0 5-5L14.800 11.500l-2.400-2.400z",
  warning: "M12 4.200L2.800 19.800h18.400zM12 10v4.500M12 17v.1",
  picture: "M4.500 5.500h15v13h-15zM4.500 16l4.500-4.500 3.500 3.500 2.500-2.500 4.500 4.500M15.500 9.200v.1",
  spark: "M12 3.500l1.900 5.600 5.600 1.900-5.600 1.900L12 18.500l-1.900-5.600L4.500 11l5.600-1.900z",
  leave: "M10 4.500H5v15h5M14 8l4 4-4 4M18 12H9.500",
  copy: "M9 9h10.500v10.500H9zM5.500 15H4.500V4.500H15v1",
  retry: "M19 12a7 7 0 1 1-2.100-5M19.500 4v4h-4",
  trash: "M5 7h14M10 7V4.500h4V7M7 7l.8 12.500h8.400L17 7",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
