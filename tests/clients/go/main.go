// Fetches each URL and prints the page, as net/http does it by itself: a proxy is what the environment
// says, names are looked up by Go (or by the C library, where this is built with cgo).
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func page(client *http.Client, url string) (string, error) {
	reply, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s", reply.Status)
	}
	body, err := io.ReadAll(reply.Body)
	return string(body), err
}

func main() {
	client := &http.Client{Timeout: 30 * time.Second}
	code := 0
	for _, url := range os.Args[1:] {
		text, err := page(client, url)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", url, err)
			code = 1
			continue
		}
		fmt.Println(text)
	}
	os.Exit(code)
}
