/** The subcommands, imported on use: most load code of the server, and some do not. */
const commands = {
  list: async () => {
    const { list, listHelp } = await import('./list.ts');
    return { run: list, help: listHelp };
  },
  add: async () => {
    const { add, addHelp } = await import('./add.ts');
    return { run: add, help: addHelp };
  },
  remove: async () => {
    const { remove, removeHelp } = await import('./remove.ts');
    return { run: remove, help: removeHelp };
  },
  pull: async () => {
    const { pull, pullHelp } = await import('./pull.ts');
    return { run: pull, help: pullHelp };
  },
} satisfies Record<string, () => Promise<{ run: (args: string[]) => Promise<void>; help: string }>>;

const overview = `Usage: latentwire models [list] [WORDS] [options]
       latentwire models add PATH [options]
       latentwire models pull REPOSITORY[@REVISION] [options]
       latentwire models remove AIR|NAME [--yes]

Manages the models of this machine. A running server sees changes within seconds.

  list      Lists the models, with the reason for each that cannot be used
  add       Links or copies a diffusers folder, or a .safetensors or .gguf file, into the models folder
  pull      Downloads a model from Hugging Face or a mirror
  remove    Deletes a model and its names

  latentwire models add --help, and so on, shows the options of each.
`;

/** `latentwire models …`; without the name of a command, `list`. */
export async function models(args: string[]): Promise<void> {
  const { command, rest } = split(args);
  await (await commands[command]()).run(rest);
}

export async function modelsHelp(args: string[]): Promise<string> {
  const { command, named } = split(args);
  const { help } = await commands[command]();
  return named ? help : `${overview}\n${help}`;
}

function split(args: string[]): { command: keyof typeof commands; rest: string[]; named: boolean } {
  const [first, ...rest] = args;
  if (first !== undefined && Object.hasOwn(commands, first)) {
    return { command: first as keyof typeof commands, rest, named: true };
  }
  return { command: 'list', rest: args, named: false };
}
