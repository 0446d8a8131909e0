/** What can be done with models. Each is imported where it is asked for: most need code of the server, and not all. */
const commands = {
  list: async () => {
    const { list, listHelp } = await import('./list.js');
    return { run: list, help: listHelp };
  },
  add: async () => {
    const { add, addHelp } = await import('./add.js');
    return { run: add, help: addHelp };
  },
  remove: async () => {
    const { remove, removeHelp } = await import('./remove.js');
    return { run: remove, help: removeHelp };
  },
  pull: async () => {
    const { pull, pullHelp } = await import('./pull.js');
    return { run: pull, help: pullHelp };
  },
};
const overview = `Usage: latentwire models [list] [WORDS] [options]
       latentwire models add PATH [options]
       latentwire models pull REPOSITORY[@REVISION] [options]
       latentwire models remove AIR|NAME [--yes]

Looks after the models of this machine. A server that is running sees what changes within seconds.

  list      What is there, and what is wrong with it
  add       Brings in a diffusers folder or a .safetensors file, linked or copied
  pull      Fetches a diffusers repository from Hugging Face or a mirror
  remove    Deletes a model and its names

  latentwire models add --help, and so on, tells the options of each.
`;
/** `latentwire models …`; without the name of a command, `list`. */
export async function models(args) {
  const { command, rest } = split(args);
  await (await commands[command]()).run(rest);
}
export async function modelsHelp(args) {
  const { command, named } = split(args);
  const { help } = await commands[command]();
  return named ? help : `${overview}\n${help}`;
}
function split(args) {
  const [first, ...rest] = args;
  if (first !== undefined && Object.hasOwn(commands, first)) {
    return { command: first, rest, named: true };
  }
  return { command: 'list', rest: args, named: false };
}
//# sourceMappingURL=index.js.map
