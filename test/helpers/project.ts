import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../server/packageRoot.ts';

export const runFile = promisify(execFile);

export interface Project extends AsyncDisposable {
  readonly folder: string;
  write(file: string, text: string): Promise<string>;
  /**
   * Compiles TypeScript files as strictly as the compiler can, the declarations of packages included, and puts the
   * JavaScript beside them. Rejects with what the compiler said.
   */
  compile(files: readonly string[], types?: readonly string[]): Promise<void>;
}

/** An empty project of its own, as somebody has who uses the packages; deleted in the end. */
export async function openProject(): Promise<Project> {
  const folder = await realpath(await mkdtemp(path.join(os.tmpdir(), 'latentwire-project-')));
  const write = async (file: string, text: string) => {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), text);
    return path.join(folder, file);
  };
  await write('package.json', '{ "name": "project", "private": true, "type": "module" }\n');
  return {
    folder,
    write,
    async compile(files, types = []) {
      const compilerOptions = {
        target: 'es2022',
        lib: ['es2022', 'dom'],
        module: 'nodenext',
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        types,
      };
      await write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
      const compiler = path.join(packageRoot, 'node_modules', 'typescript', 'bin', 'tsc');
      await runFile(process.execPath, [compiler, '-p', folder], { cwd: folder }).catch((error) => {
        throw new Error(`The compiler refuses it:\n${error.stdout}`, { cause: error });
      });
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Makes a package of this repository's installation available in a project. */
export async function linkPackage(
  project: Project,
  name: string,
  target = path.join(packageRoot, 'node_modules', name),
) {
  const link = path.join(project.folder, 'node_modules', name);
  await mkdir(path.dirname(link), { recursive: true });
  await symlink(target, link);
}
