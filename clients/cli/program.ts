import { generate, generateHelp } from './generate.ts';
import { models, modelsHelp } from './models/index.ts';
import { upscale, upscaleHelp } from './upscale.ts';
import { UsageError } from './usage.ts';

// Clients import only the protocol. This program is the exception, because it also starts the server. It imports `server/`
// dynamically, so that commands which only use a server load none of it.

const help = `Usage: latentwire <command> [options]

Commands:
  serve              Run the server; open its address in a browser for the built-in page
  generate PROMPT    Generate a picture and write it to a file
  upscale FILE       Enlarge a picture and write it to a file
  images             List, prune and pin the stored images of this machine
  models             List, add, download and remove the models of this machine
  doctor             Show the device and precision, and where the networks of a model run

  latentwire <command> --help shows the options of a command.
  latentwire --version shows the version.
`;

async function serveHelp(): Promise<string> {
  const { optionsHelp } = await import('../../server/config/config.ts');
  return `Usage: latentwire serve [options]

Options:
${optionsHelp()}

Each option also has a variable (--max-pixels: LATENTWIRE_MAX_PIXELS) and a key in the config file (maxPixels).
`;
}

/** Runs a command line, without the program's name. Writes errors to stderr. @returns the exit code */
export async function runProgram(args: string[]): Promise<number> {
  try {
    await main(args);
    return 0;
  } catch (error) {
    process.stderr.write(`latentwire: ${error instanceof Error ? error.message : error}\n`);
    // A ConfigError carries its exit code.
    return (error as { exitCode?: number }).exitCode ?? 1;
  }
}

async function main([command, ...rest]: string[]): Promise<void> {
  const wantsHelp = rest.includes('--help') || rest.includes('-h');
  switch (command) {
    case 'serve': {
      if (wantsHelp) return print(await serveHelp());
      const { loadConfig } = await import('../../server/config/config.ts');
      const { serve } = await import('../../server/serve.ts');
      return await serve(loadConfig(rest, process.env));
    }
    case 'generate':
      return wantsHelp ? print(generateHelp) : await generate(rest);
    case 'upscale':
      return wantsHelp ? print(upscaleHelp) : await upscale(rest);
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
      throw new UsageError(`Unknown command "${command}". See latentwire --help.`);
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
