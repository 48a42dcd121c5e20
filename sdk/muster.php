<?php
/* muster.php: runs PHP classes for Muster, as they are. One file, nothing else is needed; PHP 8.1 or later, on the command line.
 *
 * As a handler it runs tasks: it loads a bootstrap file, and for each task makes an object of the class (the constructor gets
 * no arguments) and calls the method, public ones only, inherited and static ones too. A list in `param` is positional, an object is named
 * arguments. Classes are those after the bootstrap file (a name may end in `*`: `App\Tasks\*`), else those that it declares.
 *
 *     handlers:
 *       - {class: Mailer, exec: [php, /usr/share/muster/sdk/muster.php, bootstrap.php, Mailer]}
 *
 * What the method returns is the task's result. Fend_RetryException (or a subclass) asks for another execution, any other
 * Exception or Error fails the task. What is printed goes to the task's log. A method may use the class Muster below.
 * When the task is stuck or cancelled, the object's method `exiting()`, if there is one, is called wherever the task
 * is, and the process ends.
 *
 * Prepended to a script, it runs a subclass of Fend_Process_manage as the service of a pool:
 *
 *     pools:
 *       - name: asynctask
 *         kind: service
 *         exec: [php, -d, disable_functions=extension_loaded, -d, auto_prepend_file=/usr/share/muster/sdk/muster.php, asynctask.php]
 *
 * With the extensions pcntl and FFI, which Debian's php-cli has, all of this holds. Without pcntl `exiting()` is never called.
 * Without FFI the constants STDIN and STDOUT are closed streams. */

/** Thrown by a task that shall run again, while executions remain. */
class Fend_RetryException extends Exception
{
}

/** What a task, or a service, may say while it runs. In a process that Muster did not start, none of it does anything. */
final class Muster
{
    private static ?array $task = null;

    /** A sign of life. $for: how long the next silence may last, "90s" or "10m"; else the pool's heartbeat_timeout. */
    public static function beat(?string $for = null): void
    {
        Muster_Channel::beat($for);
    }

    /** How far the task has come: 0 to 100, and a note. */
    public static function progress(int|float $percent, string $note = ''): void
    {
        Muster_Channel::send(['progress' => $percent] + ($note === '' ? [] : ['note' => $note]));
    }

    /** Lines for the task's log; echo does the same. */
    public static function log(string $text): void
    {
        foreach (explode("\n", rtrim($text, "\n")) as $line) {
            Muster_Channel::send(['log' => $line]);
        }
    }

    /**
     * Submits another task.
     * @param array $param a list: positional arguments; with names: named ones
     * @param array $options members of the task document: queue, retry, delay, priority, id …
     */
    public static function push(string $class, string $method, array $param = [], array $options = []): void
    {
        Muster_Channel::send(['push' => ['class' => $class, 'method' => $method, 'param' => $param] + $options]);
    }

    /** Keeps up to 64 KiB for the task's next execution, so that a long job goes on where it was. */
    public static function save(array $state): void
    {
        Muster_Channel::send(['save' => (object) $state]);
    }

    /** What the last execution saved; null: this is the first one, or nothing was saved. */
    public static function saved(): ?array
    {
        return self::$task['saved'] ?? null;
    }

    /** The task in hand as it was submitted, with id, queue, attempt (from 1) and deadline_ms; null between tasks. */
    public static function task(): ?array
    {
        return self::$task;
    }

    /** @internal */
    public static function take(?array $task): void
    {
        self::$task = $task;
    }
}

/**
 * A service: `start()` gets things ready and calls `monitorStart()`, which runs `hook()` in this process. Muster starts
 * as many processes as the pool has workers, and ends and replaces one that is silent for longer than the pool's heartbeat_timeout.
 */
abstract class Fend_Process_manage
{
    protected $config = [];

    public function __construct($config = [])
    {
        $this->config = $config;
    }

    public function start()
    {
        $this->monitorStart();
    }

    /** The work, usually a loop that calls flushTimestamp(). When it returns, the process ends and is replaced. */
    abstract public function hook();

    /** Called when the process is about to be ended. */
    public function exiting()
    {
    }

    public function monitorStart()
    {
        Muster_Channel::whenTold(fn () => $this->exiting());
        $this->flushTimestamp();
        $this->hook();
    }

    /** A sign of life of this process. */
    public function flushTimestamp($pid = null)
    {
        Muster_Channel::beat(null);
    }
}

/**
 * The exec protocol: JSON documents, one a line, on what were standard input and output when the process was started. These
 * are moved out of the way first, so that nothing that user code (or a program that it starts) prints gets between them.
 * @internal
 */
final class Muster_Channel
{
    private const BEAT_EVERY_NS = 10_000_000;
    private const JSON = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION | JSON_INVALID_UTF8_SUBSTITUTE;

    private static $in = null;
    private static $out = null;
    private static int $owner = 0;
    private static bool $heard = false; // a service always is, a handler only while it has a task
    private static ?string $id = null;
    private static int $beatAt = 0;
    private static string $printed = '';
    private static ?Closure $exiting = null;

    public static function open(bool $heard): void
    {
        self::$owner = getmypid();
        self::$heard = $heard;
        if (extension_loaded('FFI')) {
            self::moveAway();
        } else {
            self::$in = fopen('php://fd/0', 'r');
            self::$out = fopen('php://fd/1', 'w');
            fclose(STDIN);
            $GLOBALS['muster_descriptor_0'] = fopen('/dev/null', 'r');
            fclose(STDOUT);
            $GLOBALS['muster_descriptor_1'] = fopen('php://fd/2', 'w');
        }
        if (extension_loaded('pcntl')) {
            pcntl_async_signals(true);
            pcntl_signal(SIGTERM, self::told(...), false);
        }
        self::listen();
    }

    private static function moveAway(): void
    {
        $libc = FFI::cdef('int dup(int); int dup2(int, int); int open(const char *, int, ...); int close(int); int fcntl(int, int, ...);');
        $closedOnExec = function (int $descriptor, string $mode) use ($libc) {
            $next = $libc->dup($descriptor); // what fopen will get: the lowest number that is free
            $libc->close($next);
            $stream = fopen("php://fd/$descriptor", $mode);
            $libc->fcntl($next, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */);
            return $stream;
        };
        self::$in = $closedOnExec(0, 'r');
        self::$out = $closedOnExec(1, 'w');
        $null = $libc->open('/dev/null', 0 /* O_RDONLY */);
        $libc->dup2($null, 0);
        $libc->close($null);
        $libc->dup2(2, 1);
    }

    /** Catches what is printed from here on; whoever has thrown the buffer away prints to standard error, which is a log too. */
    private static function listen(): void
    {
        if (ob_get_level() === 0) {
            ob_start(self::printed(...), 1);
        }
    }

    private static function printed(string $text, int $phase): string
    {
        if ($phase & PHP_OUTPUT_HANDLER_CLEAN) {
            return '';
        }
        if (getmypid() !== self::$owner) {
            return $text; // a fork of user code: its output is not between our lines
        }
        $lines = explode("\n", self::$printed . $text);
        self::$printed = array_pop($lines);
        foreach ($lines as $line) {
            self::send(['log' => $line]);
        }
        return '';
    }

    /** The next line, without its end; null: there will be no more. */
    public static function read(): ?string
    {
        do {
            $readable = [self::$in];
            $none = null;
            // fgets would go on waiting after a signal; this does not.
            $line = @stream_select($readable, $none, $none, null) ? fgets(self::$in) : false;
        } while ($line === false && !feof(self::$in));
        return $line === false ? null : rtrim($line, "\n");
    }

    public static function begin(?string $id): void
    {
        self::$heard = true;
        self::$id = $id;
        self::$beatAt = 0;
        self::listen();
    }

    public static function end(array $answer): void
    {
        self::endLine();
        self::send($answer);
        self::$heard = false;
        self::$id = null;
    }

    /** What was printed without a line's end. */
    public static function endLine(): void
    {
        if (self::$printed !== '') {
            self::printed("\n", PHP_OUTPUT_HANDLER_WRITE);
        }
    }

    public static function beat(?string $for): void
    {
        $now = hrtime(true);
        if ($for === null && $now - self::$beatAt < self::BEAT_EVERY_NS) {
            return;
        }
        self::$beatAt = $now;
        self::send(['beat' => true] + ($for === null ? [] : ['for' => $for]));
    }

    public static function send(array $message): void
    {
        if (self::$out === null || getmypid() !== self::$owner) {
            return;
        }
        if (!self::$heard) {
            fwrite(STDERR, isset($message['log']) ? "{$message['log']}\n" : '');
            return;
        }
        if (self::$id !== null) {
            $message['id'] = self::$id;
        }
        $text = json_encode($message, self::JSON | JSON_PARTIAL_OUTPUT_ON_ERROR) . "\n";
        $signals = function_exists('pcntl_async_signals') && pcntl_async_signals(false); // no line within another one
        while ($text !== '') {
            $written = @fwrite(self::$out, $text);
            if ($written === false) {
                exit(0); // nobody reads any more
            }
            $text = substr($text, $written);
        }
        if ($signals) {
            pcntl_async_signals(true);
            pcntl_signal_dispatch();
        }
    }

    public static function whenTold(?Closure $exiting): void
    {
        self::$exiting = $exiting;
    }

    /** SIGTERM: wherever the code is. */
    private static function told(): void
    {
        $exiting = self::$exiting;
        self::$exiting = null;
        if (getmypid() === self::$owner && $exiting !== null) {
            try {
                $exiting();
            } catch (Throwable $problem) {
                Muster::log("exiting: $problem");
            }
            self::endLine();
        }
        exit(0);
    }
}

/**
 * Tasks, one after the other.
 * @internal
 */
final class Muster_Runner
{
    private const DEPTH = 1024; // a document has at most 512 levels; `saved` may add to that

    /** @var array<string, string> how a name was written, by the name in lower case; the last character may be `*` */
    private static array $declared = [];
    /** @var string[] */
    private static array $before = [];

    /** The file to load, in the global scope. */
    public static function bootstrap(array $arguments): string
    {
        if (!isset($arguments[1])) {
            self::refuse('usage: muster.php BOOTSTRAP [CLASS…]');
        }
        $path = $arguments[1];
        if (!is_file($path) || !is_readable($path)) {
            self::refuse("$path is not there or may not be read (from " . getcwd() . ')');
        }
        Muster_Channel::open(false);
        self::declare(array_slice($arguments, 2));
        self::$before = get_declared_classes();
        return realpath($path);
    }

    private static function refuse(string $why): never
    {
        fwrite(STDERR, "muster.php: $why\n");
        exit(78);
    }

    public static function serve(): void
    {
        if (self::$declared === []) {
            self::declare(array_diff(get_declared_classes(), self::$before));
        }
        self::$before = [];
        while (($line = Muster_Channel::read()) !== null) {
            self::run($line);
        }
        Muster_Channel::endLine();
    }

    private static function declare(array $classes): void
    {
        foreach ($classes as $class) {
            $class = ltrim($class, '\\');
            self::$declared[strtolower($class)] = $class;
        }
    }

    /** Loads the class, under the name by which an autoloader knows its file. */
    private static function load(string $class): bool
    {
        $class = ltrim($class, '\\');
        $lower = strtolower($class);
        if (isset(self::$declared[$lower])) {
            return class_exists(self::$declared[$lower]);
        }
        foreach (array_keys(self::$declared) as $name) {
            if (str_ends_with($name, '*') && str_starts_with($lower, substr($name, 0, -1))) {
                return class_exists($class);
            }
        }
        return false;
    }

    private static function run(string $line): void
    {
        $task = json_decode($line, true, self::DEPTH);
        Muster_Channel::begin(isset($task['id']) ? (string) $task['id'] : null);
        if (!is_array($task) || !is_string($task['class'] ?? null) || !is_string($task['method'] ?? null)) {
            Muster_Channel::end(['fail' => 'task format wrong: ' . (json_last_error() ? json_last_error_msg() : 'no class or no method')]);
            return;
        }
        Muster::take($task);
        $answer = self::answer($task);
        Muster::take(null);
        Muster_Channel::end($answer);
    }

    private static function answer(array $task): array
    {
        try {
            if (!self::load($task['class'])) {
                return ['unknown' => 'class'];
            }
            if (!in_array($task['method'], get_class_methods($task['class']), true)) {
                return ['unknown' => 'method'];
            }
            $param = $task['param'] ?? [];
            return is_array($param) ? ['ok' => self::call($task['class'], $task['method'], $param)]
                : ['fail' => 'param is neither a list nor an object of arguments'];
        } catch (Fend_RetryException $again) {
            return ['retry' => $again->getMessage(), 'code' => $again->getCode()];
        } catch (Throwable $problem) {
            Muster::log((string) $problem);
            return ['fail' => $problem->getMessage() ?: get_class($problem), 'code' => $problem->getCode()];
        }
    }

    private static function call(string $class, string $method, array $param): mixed
    {
        $object = new $class();
        if (is_callable([$object, 'exiting'])) {
            Muster_Channel::whenTold(fn () => $object->exiting());
        }
        try {
            // Called as a callback, arguments are converted as the method's own file has it, not as this one.
            return self::result(call_user_func([$object, $method], ...$param));
        } finally {
            Muster_Channel::whenTold(null);
        }
    }

    /** The value, or as much of it as JSON can say: what a method returned meant nothing where these classes come from. */
    private static function result(mixed $value): mixed
    {
        try {
            json_encode($value, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
            return $value;
        } catch (Throwable $problem) {
            Muster::log("what the method returned is not all JSON: {$problem->getMessage()}");
            return $problem instanceof JsonException ? $value : null;
        }
    }
}

if (realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__) {
    require Muster_Runner::bootstrap($argv);
    Muster_Runner::serve();
} elseif (realpath(ini_get('auto_prepend_file') ?: '') === __FILE__) {
    // A service that wants swoole only for processes and a table of timestamps does without it. PHP lets a script define what
    // disable_functions took away.
    if (!function_exists('extension_loaded')) {
        function extension_loaded(string $extension): bool
        {
            $loaded = array_map('strtolower', array_merge(get_loaded_extensions(), get_loaded_extensions(true)));
            return strtolower($extension) === 'swoole' || in_array(strtolower($extension), $loaded, true);
        }
    }
    Muster_Channel::open(true);
}
