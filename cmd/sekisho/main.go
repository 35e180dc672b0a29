// Command sekisho is the checkpoint between a controlled network and Microsoft's cloud.
package main

func main() {}
