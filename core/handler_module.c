#include "core/handler_module.h"
#include "core/clock.h"
#include "core/handler_service.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A row of this name has all methods that none before it has. */
static const char every_method[] = "*";

/* ---- loading ---- */

static bool serves(const struct config_handler *config)
{
	return config->module != NULL || config->url != NULL;
}

static const char *path_of(const struct config_handler *config)
{
	return config->url != NULL ? config->caller : config->module;
}

/* What we load runs with our rights: nobody else may be able to change it. */
static int check_file(const char *class, const char *path, struct error *error)
{
	struct stat file;

	if (stat(path, &file) < 0)
		return error_set(error, -ELIBACC, "class \"%s\": %s cannot be read: %s", class, path, strerror(errno));
	if (!S_ISREG(file.st_mode))
		return error_set(error, -ELIBACC, "class \"%s\": %s is not a file", class, path);
	if (file.st_uid != 0 && file.st_uid != geteuid())
		return error_set(error, -ELIBACC,
			"class \"%s\": %s belongs to uid %u, neither to root nor to uid %u that runs it", class, path,
			file.st_uid, geteuid());
	if ((file.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return error_set(error, -ELIBACC,
			"class \"%s\": %s can be written by others than its owner (mode %04o)", class, path,
			file.st_mode & 07777U);
	return 0;
}

static bool is_name(const char *name)
{
	if (strcmp(name, every_method) == 0)
		return true;
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.\\-");

	return length > 0 && length <= TASK_NAME_MAX && name[length] == '\0';
}

static int check_methods(const struct config_handler *config, const struct muster_method *methods, struct error *error)
{
	if (methods == NULL)
		return error_set(error, -ELIBBAD, "class \"%s\": %s has no methods", config->class, path_of(config));
	for (const struct muster_method *method = methods; method->name != NULL; method++) {
		if (!is_name(method->name))
			return error_set(error, -ELIBBAD,
				"class \"%s\": %s has a method that no task can name: \"%.128s\"", config->class,
				path_of(config), method->name);
		if (method->run == NULL)
			return error_set(error, -ELIBBAD, "class \"%s\": %s has no function for its method \"%s\"",
				config->class, path_of(config), method->name);
	}
	return 0;
}

/* The ABI number first: with another one nothing else in the table is where we would look. */
static int check_table(const struct config_handler *config, const struct muster_module *table, struct error *error)
{
	if (table == NULL)
		return error_set(error, -ELIBBAD, "class \"%s\": %s has no table `muster_module`", config->class,
			path_of(config));
	if (table->abi != MUSTER_ABI)
		return error_set(error, -ELIBBAD,
			"class \"%s\": %s is built for ABI %u, this is ABI %u: build it again", config->class,
			path_of(config), (unsigned)table->abi, (unsigned)MUSTER_ABI);
	if (config->url == NULL && (table->class_name == NULL || strcmp(table->class_name, config->class) != 0))
		return error_set(error, -ELIBBAD, "class \"%s\": %s holds the class \"%.128s\"", config->class,
			path_of(config), table->class_name != NULL ? table->class_name : "");
	return check_methods(config, table->methods, error);
}

static int check_several(const struct config_handler *config, const struct muster_several *table, struct error *error)
{
	if (table == NULL)
		return error_set(error, -ELIBBAD,
			"class \"%s\": %s runs one task at a time (it has no table `muster_several`): \"concurrency\" "
			"must be 1",
			config->class, path_of(config));
	if (table->abi != MUSTER_ABI)
		return error_set(error, -ELIBBAD,
			"class \"%s\": %s is built for ABI %u, this is ABI %u: build it again", config->class,
			path_of(config), (unsigned)table->abi, (unsigned)MUSTER_ABI);
	if (table->attend == NULL || table->stop == NULL)
		return error_set(error, -ELIBBAD, "class \"%s\": %s has no functions in its table `muster_several`",
			config->class, path_of(config));
	return 0;
}

/* dlerror's text starts with the path more often than not. */
static const char *loader_says(const char *path)
{
	const char *text = dlerror();
	size_t length = strlen(path);

	if (text == NULL)
		return "the loader does not say why";
	return strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0 ? text + length + 2 : text;
}

static int open_object(const char *class, const char *path, void **ret_object, struct error *error)
{
	int status;

	assert(path[0] == '/'); /* dlopen would search for a bare name */
	status = check_file(class, path, error);
	if (status < 0)
		return status;
	*ret_object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (*ret_object != NULL)
		return 0;
	return error_set(error, -ELIBBAD, "class \"%s\": %s cannot be loaded: %s", class, path, loader_says(path));
}

static int load(
	const struct config_handler *config, const struct handler_host *host, void **ret_handler, struct error *error)
{
	static const struct muster_method no_methods[] = {{0}};
	struct module *module;
	const struct muster_module *table;
	void *object;
	int status = open_object(config->class, path_of(config), &object, error);

	if (status < 0)
		return status;
	table = dlsym(object, config->url != NULL ? "muster_caller" : "muster_module");
	const bool is_service = table == NULL && dlsym(object, "muster_service") != NULL;
	status = is_service ? 0 : check_table(config, table, error);
	if (status < 0)
		return status;
	const struct muster_several *several = config->concurrency > 1 ? dlsym(object, "muster_several") : NULL;
	status = config->concurrency > 1 ? check_several(config, several, error) : 0;
	if (status < 0)
		return status;
	module = calloc(1, sizeof *module);
	if (module == NULL)
		return error_set(error, -ENOMEM, "class \"%s\": no memory", config->class);
	module->none = (struct muster_module){MUSTER_ABI, config->class, no_methods, NULL, NULL};
	module->table = is_service ? &module->none : table;
	module->several = several;
	module->host = host;
	module->options = config->url != NULL ? config->caller_options : config->options;
	*ret_handler = module;
	return 0;
}

static int start(void *handler, struct error *error)
{
	const struct module *module = handler;
	const char *why = NULL;

	if (module->table->start == NULL || module->table->start(&why) == 0)
		return 0;
	return error_set(error, -ECANCELED, "class \"%s\" does not start: %s", module->table->class_name,
		why != NULL ? why : "it does not say why");
}

/* ---- running ---- */

static const struct muster_method *find_method(struct module *module, const char *name)
{
	if (module->last != NULL && strcmp(module->last->name, name) == 0)
		return module->last;
	for (const struct muster_method *method = module->table->methods; method->name != NULL; method++)
		if (strcmp(method->name, name) == 0 || strcmp(method->name, every_method) == 0)
			return module->last = method;
	return NULL;
}

static void refuse_method(const struct module *module, const struct handler_task *order, struct handler_result *result)
{
	handler_result_set(result, TASK_VERDICT_REFUSED, "unknown_method", "the class \"%s\" has no method \"%s\"",
		module->table->class_name, order->order->method);
}

static void run(void *handler, const struct handler_task *order, struct handler_result *result)
{
	struct module *module = handler;
	const struct muster_method *method = find_method(module, order->order->method);
	struct muster_task task;
	enum muster_end end;

	if (method == NULL) {
		refuse_method(module, order, result);
		return;
	}
	task.task = order; /* field by field: the reason's half kilobyte is not worth clearing for each task */
	task.host = module->host;
	task.options = module->options;
	task.result = result;
	task.spoke = false;
	task.exiting = false;
	task.module = NULL;
	end = method->run(&task);
	module_settle(&task, end);
}

/* The hook gets a task of its own: the first thread may be half way through writing its result. */
static void exiting(void *handler, const struct handler_task *order)
{
	const struct module *module = handler;
	struct handler_result nobody_reads = {.delay_ms = -1};
	struct muster_task task = {
		.task = order,
		.host = module->host,
		.options = module->options,
		.result = &nobody_reads,
		.exiting = true,
	};

	if (module->table->exiting != NULL && order != NULL) /* of several none is the one that is stuck */
		module->table->exiting(&task);
}

/* ---- several at a time ---- */

static bool is_ready(void *handler)
{
	(void)handler;
	return true;
}

static void begin(void *handler, struct handler_errand *errand)
{
	struct module *module = handler;
	const struct muster_method *method = find_method(module, errand->task.order->method);
	struct muster_task *task = method != NULL ? calloc(1, sizeof *task) : NULL;

	errand->state = ERRAND_ENDED;
	if (method == NULL)
		refuse_method(module, &errand->task, &errand->result);
	else if (task == NULL)
		handler_result_set(&errand->result, TASK_VERDICT_CRASH, "crash", "no memory for the task");
	if (task == NULL)
		return;
	*task = (struct muster_task){
		.task = &errand->task,
		.host = &errand->host,
		.options = module->options,
		.result = &errand->result,
		.module = module,
		.errand = errand,
	};
	const enum muster_end end = method->run(task);
	if (end != MUSTER_LATER) {
		module_settle(task, end);
		free(task);
		return;
	}
	task->begun = true;
	errand->own = task;
	errand->state = ERRAND_RUNS;
	errand->next = module->first;
	module->first = errand;
}

static void attend(void *handler, int wake_fd, int64_t until_mono_ns)
{
	const struct module *module = handler;
	const int64_t left_ns = until_mono_ns - clock_mono_ns();

	handler_module_wake_fd = wake_fd;
	module->several->attend(left_ns > 0 ? (left_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS : 0);
}

static void end(void *handler, struct handler_errand *errand, enum handler_end how)
{
	const struct module *module = handler;
	struct muster_task *task = errand->own;

	task->late |= how == HANDLER_LATE;
	module->several->stop(task);
	if (errand->state == ERRAND_RUNS) /* who does not let go of a task is not fit to be trusted with others */
		abort();
}

const struct handler_kind handler_kind_module = {
	.serves = serves,
	.load = load,
	.start = start,
	.run = run,
	.exiting = exiting,
	.free = free,
	.is_ready = is_ready,
	.begin = begin,
	.attend = attend,
	.end = end,
};

/* ---- services ---- */

struct handler_service {
	const struct muster_service *table; /* in the shared object, which stays mapped */
	const struct handler_host *host;
	struct task_order order; /* that of the task that stands for it */
	struct task_head head;
	struct handler_task task;
};

static int check_service(const struct muster_service *table, const char *path, const char *name, struct error *error)
{
	if (table == NULL)
		return error_set(error, -ELIBBAD, "service \"%s\": %s has no table `muster_service`", name, path);
	if (table->abi != MUSTER_ABI)
		return error_set(error, -ELIBBAD,
			"service \"%s\": %s is built for ABI %u, this is ABI %u: build it again", name, path,
			(unsigned)table->abi, (unsigned)MUSTER_ABI);
	if (table->name == NULL || strcmp(table->name, name) != 0)
		return error_set(error, -ELIBBAD, "service \"%s\": %s holds the service \"%.128s\"", name, path,
			table->name != NULL ? table->name : "");
	if (table->hook == NULL)
		return error_set(error, -ELIBBAD, "service \"%s\": %s has no hook for it", name, path);
	return 0;
}

static int make_task(struct handler_service *service)
{
	service->order.document =
		json_pack("{s:s, s:s, s:[]}", "class", service->table->name, "method", "hook", "param");
	if (service->order.document == NULL)
		return -ENOMEM;
	service->order.class = service->table->name;
	service->order.method = "hook";
	service->order.param = json_object_get(service->order.document, "param");
	service->task = (struct handler_task){.id = "", .head = &service->head, .order = &service->order, .attempt = 1};
	return 0;
}

int handler_service_open(struct handler_service **ret_service, const char *path, const char *name,
	const struct handler_host *host, struct error *error)
{
	const struct muster_service *table;
	void *object;
	int status = open_object(name, path, &object, error);

	if (status < 0)
		return status;
	table = dlsym(object, "muster_service");
	status = check_service(table, path, name, error);
	if (status < 0)
		return status;
	struct handler_service *service = calloc(1, sizeof *service);
	if (service == NULL)
		return error_set(error, -ENOMEM, "service \"%s\": no memory", name);
	service->table = table;
	service->host = host;
	if (make_task(service) < 0) {
		free(service);
		return error_set(error, -ENOMEM, "service \"%s\": no memory", name);
	}
	*ret_service = service;
	return 0;
}

int handler_service_start(const struct handler_service *service, struct error *error)
{
	const char *why = NULL;

	if (service->table->start == NULL || service->table->start(&why) == 0)
		return 0;
	return error_set(error, -ECANCELED, "service \"%s\" does not start: %s", service->table->name,
		why != NULL ? why : "it does not say why");
}

int handler_service_turn(const struct handler_service *service)
{
	struct handler_result nobody_reads = {.delay_ms = -1};
	struct muster_task task = {.task = &service->task, .host = service->host, .result = &nobody_reads};
	int status = service->table->hook(&task);

	handler_result_fini(&nobody_reads);
	return status;
}

void handler_service_exiting(const struct handler_service *service, bool stuck)
{
	struct handler_result nobody_reads = {.delay_ms = -1};
	struct muster_task task = {
		.task = &service->task, .host = service->host, .result = &nobody_reads, .exiting = stuck};

	if (service->table->exiting != NULL)
		service->table->exiting(&task);
	handler_result_fini(&nobody_reads);
}

void handler_service_close(struct handler_service *service)
{
	if (service == NULL)
		return;
	json_decref(service->order.document);
	free(service);
}
