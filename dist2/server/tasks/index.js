/** What the server does for each task type. Authentication and ping are not here: they concern a socket, not a session. */
import { accountManagement } from './accountManagement.js';
import { getResponse } from './getResponse.js';
import { getTaskDetails } from './getTaskDetails.js';
import { imageInference } from './imageInference.js';
import { imageUpload } from './imageUpload.js';
import { mediaStorage } from './mediaStorage.js';
import { modelSearch } from './modelSearch.js';
import { taskCancel } from './taskCancel.js';
export const handlers = {
  imageInference,
  imageUpload,
  getResponse,
  taskCancel,
  modelSearch,
  mediaStorage,
  getTaskDetails,
  accountManagement,
};
export async function handleTask(task, caller, context) {
  // Each handler takes exactly the task of its name, which is more than the compiler can follow through an index.
  const handler = handlers[task.taskType];
  await handler(task, caller, context);
}
//# sourceMappingURL=index.js.map
