// Names of entry points: cryptable_NAME_PATH.
#ifndef EXPORTS_H
#define EXPORTS_H

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define NAME_(name, path) cryptable_##name##_##path
#define NAME__(name, path) NAME_(name, path)
#define NAME(name) NAME__(name, PATH)
#endif
