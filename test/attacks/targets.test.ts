import http from 'node:http';
import { type Attack, attackTable, serverTarget, type Target } from './table.ts';

/** Sends one request with exactly this target in its first line, and tells the status. */
function statusOf(target: string, method = 'GET'): Attack<Target>['run'] {
  return ({ server }) =>
    new Promise((resolve, reject) => {
      const request = http.request({ port: server.port, host: '127.0.0.1', path: target, method }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      });
      request.on('error', reject).end();
    });
}

attackTable('a request target that is not what a browser sends', () => serverTarget(), [
  { attack: 'asks for a file that does not exist', expected: 404, run: statusOf('/nothing-here') },
  {
    attack: 'asks for an image whose name climbs out of the folder',
    expected: 404,
    run: statusOf('/images/../../etc/passwd'),
  },
  {
    attack: 'asks for an image whose name is encoded twice',
    expected: 404,
    run: statusOf('/images/%252e%252e%252fpasswd'),
  },
  { attack: 'uses a method that no route has', expected: 405, run: statusOf('/', 'DELETE') },
]);
