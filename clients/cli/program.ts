import { generate, generateHelp } from './generate.ts';
import { models, modelsHelp } from './models/index.ts';
import { UsageError } from './usage.ts';

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

async function serveHelp(): Promise<string> {
  const { optionsHelp } = await import('../../server/config.ts');
  return `Usage: latentwire serve [options]

Options:
${optionsHelp()}

Each option is also a variable (--max-pixels is LATENTWIRE_MAX_PIXELS) and a key of the config file (maxPixels).
`;
}

/** Runs a command line, without the program's own name. Says on the error output what went wrong. @returns the exit code */
export async function runProgram(args: string[]): Promise<number> {
  try {
    await main(args);
    return 0;
  } catch (error) {
    process.stderr.write(`latentwire: ${error instanceof Error ? error.message : error}\n`);
    // A broken option of the server is a mistake in the call, too; its error says so by this field.
    return (error as { exitCode?: number }).exitCode ?? 1;
  }
}

async function main([command, ...rest]: string[]): Promise<void> {
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  switch (command) {
    case 'serve': {
      if (wantsHelp) return print(await serveHelp());
      const { loadConfig } = await import('../../server/config.ts');
      const { serve } = await import('../../server/serve.ts');
      return await serve(loadConfig(rest, process.env));
    }
    case 'generate':
      return wantsHelp ? print(generateHelp) : await generate(rest);
    case 'images': {
      const { images, imagesHelp } = await import('./images.ts');
      return wantsHelp ? print(imagesHelp) : await images(rest);
    }
    case 'doctor': {
      const { doctor, doctorHelp } = await import('./doctor.ts');
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
      const { packageVersion } = await import('../../server/packageRoot.ts');
      return print(`${packageVersion}\n`);
    }
    case undefined:
      throw new UsageError(`A command is missing.\n\n${help.trimEnd()}`);
    default:
      throw new UsageError(`There is no command "${command}". See latentwire --help.`);
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
