<?php
/* The class that tests/exec-kit/kit wants, in PHP. */

class Kit
{
    public function noop()
    {
    }

    public function echo(...$param)
    {
        return $param;
    }

    public static function add($a, $b)
    {
        return $a + $b;
    }

    public function retry($message)
    {
        throw new Fend_RetryException($message);
    }

    public function fail($message)
    {
        throw new DomainException($message);
    }

    public function print($text)
    {
        print $text;
    }

    public function sleep($ms)
    {
        Muster::beat();
        usleep($ms * 1000);
    }

    public function hang()
    {
        Muster::beat();
        while (true) {
        }
    }

    public function beat($n)
    {
        for ($i = 0; $i < $n; $i++) {
            Muster::beat();
            usleep(20_000);
        }
        return $n;
    }

    public function silence($for)
    {
        Muster::beat($for);
    }

    public function progress($percent, $note)
    {
        Muster::progress($percent, $note);
    }

    public function log($text)
    {
        Muster::log($text);
    }

    public function save($object)
    {
        Muster::save($object);
    }

    public function saved()
    {
        return Muster::saved();
    }

    public function push($class, $method)
    {
        Muster::push($class, $method);
    }
}
