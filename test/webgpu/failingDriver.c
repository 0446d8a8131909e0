// A Vulkan driver that hands everything on to another one, the library VK_FAILING_DRIVER, until there is a file in the folder
// VK_FAILING_FOLDER: with `lost` it answers each work it is given as a driver does whose device is lost, and with `hang` it
// answers nothing while the file is there. Built and used by faults.test.ts.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*Function)(void);
typedef Function (*Lookup)(void *object, const char *name);
typedef int32_t (*Submit)(void *queue, uint32_t count, const void *submits, void *fence);

static Submit submit, submit2;
static Lookup deviceLookup;

static void *driver(void) {
  static void *opened;
  if (!opened) opened = dlopen(getenv("VK_FAILING_DRIVER"), RTLD_NOW | RTLD_LOCAL);
  return opened;
}

static int fails(const char *how) {
  char path[4096];
  const char *folder = getenv("VK_FAILING_FOLDER");
  if (!folder || strlen(folder) > 4000) return 0;
  strcpy(path, folder);
  strcat(path, how);
  return access(path, F_OK) == 0;
}

static int32_t failingSubmit(Submit whole, void *queue, uint32_t count, const void *submits, void *fence) {
  while (fails("/hang")) usleep(10000);
  if (fails("/lost")) return -4; // VK_ERROR_DEVICE_LOST
  return whole(queue, count, submits, fence);
}

static int32_t ownSubmit(void *queue, uint32_t count, const void *submits, void *fence) {
  return failingSubmit(submit, queue, count, submits, fence);
}

static int32_t ownSubmit2(void *queue, uint32_t count, const void *submits, void *fence) {
  return failingSubmit(submit2, queue, count, submits, fence);
}

static Function own(const char *name, Function found) {
  if (!found) return found;
  if (!strcmp(name, "vkQueueSubmit")) return submit = (Submit)found, (Function)ownSubmit;
  if (!strcmp(name, "vkQueueSubmit2") || !strcmp(name, "vkQueueSubmit2KHR")) return submit2 = (Submit)found, (Function)ownSubmit2;
  return found;
}

static Function ownDeviceLookup(void *device, const char *name) { return own(name, deviceLookup(device, name)); }

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  Lookup lookup = (Lookup)dlsym(driver(), "vk_icdGetInstanceProcAddr");
  Function found = lookup(instance, name);
  if (found && !strcmp(name, "vkGetDeviceProcAddr")) return deviceLookup = (Lookup)found, (Function)ownDeviceLookup;
  return own(name, found);
}

int32_t vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  int32_t (*negotiate)(uint32_t *) = (int32_t (*)(uint32_t *))dlsym(driver(), "vk_icdNegotiateLoaderICDInterfaceVersion");
  return negotiate(version);
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  Lookup lookup = (Lookup)dlsym(driver(), "vk_icdGetPhysicalDeviceProcAddr");
  return lookup ? lookup(instance, name) : 0;
}
