#!/usr/bin/env node
import { generate, generateHelp } from './generate.js';
import { models, modelsHelp } from './models/index.js';
import { UsageError } from './usage.js';

// Clients know the protocol and nothing else of the server; this program is the one exception, because it is also how the
// server is started. It imports `server/` dynamically, where it serves, so that talking to a server loads none of it.
const help = `Usage: latentwire <command> [options]

Commands:
  serve              Run the server: tasks over one WebSocket, a page to try it at its address
  generate PROMPT    Make a picture and write it to a file
  images             List, prune and pin the images that are kept on this machine
  models             List, add, fetch and remove the models of this machine
  doctor             Tell what computes here, and where the networks of a model run

  latentwire <command> --help tells the options of a command.
  latentwire --version tells the version.
`;
async function serveHelp() {
  const { optionsHelp } = await import('../../server/config.js');
  return `Usage: latentwire serve [options]

Options:
${optionsHelp()}

Each option is also a variable (--max-pixels is LATENTWIRE_MAX_PIXELS) and a key of the config file (maxPixels).
`;
}
async function main([command, ...rest]) {
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  switch (command) {
    case 'serve': {
      if (wantsHelp) return print(await serveHelp());
      const { loadConfig } = await import('../../server/config.js');
      const { serve } = await import('../../server/serve.js');
      return await serve(loadConfig(rest, process.env));
    }
    case 'generate':
      return wantsHelp ? print(generateHelp) : await generate(rest);
    case 'images': {
      const { images, imagesHelp } = await import('./images.js');
      return wantsHelp ? print(imagesHelp) : await images(rest);
    }
    case 'doctor': {
      const { doctor, doctorHelp } = await import('./doctor.js');
      return wantsHelp ? print(doctorHelp) : await doctor(rest);
    }
    case 'models':
      return wantsHelp ? print(await modelsHelp(rest)) : await models(rest);
    case '--help':
    case '-h':
    case 'help':
      return print(`${help}\n${await serveHelp()}`);
    case '--version':
    case '-v': {
      const { packageVersion } = await import('../../server/packageRoot.js');
      return print(`${packageVersion}\n`);
    }
    case undefined:
      throw new UsageError(`A command is missing.\n\n${help.trimEnd()}`);
    default:
      throw new UsageError(`There is no command "${command}". See latentwire --help.`);
  }
}
function print(text) {
  process.stdout.write(text);
}
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`latentwire: ${error instanceof Error ? error.message : error}\n`);
  // A broken option of the server is a mistake in the call, too; its error says so by this field.
  const { exitCode } = error;
  process.exitCode = exitCode ?? 1;
}
//# sourceMappingURL=main.js.map
